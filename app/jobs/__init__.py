"""What runs later or on a clock: procrastinate on the same PostgreSQL."""
