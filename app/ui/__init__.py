"""The portal in the browser: theme, layouts, the session guard, and the pages."""
