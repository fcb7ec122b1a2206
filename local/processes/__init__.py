"""Everything as processes of this machine, under supervisord."""
