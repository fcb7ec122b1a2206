"""A trial outside the product: one owner reads a partition by direct gets, and purges it."""
