"""What lies outside the house. Each has a Protocol, the real one, and a local one."""
