"""Tests; they mirror app/."""
