"""InfluxDB 1.x, 2.x and 3.x: logging in, writing, making the database."""
