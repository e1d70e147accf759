"""Trials: their workspaces, keys, and how they end."""
