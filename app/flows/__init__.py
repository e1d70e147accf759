"""What takes several domains."""
