"""Tests; they mirror app/. They run with the settings that they name, and no others.

Python imports this before any of them, and before `app`. What is dropped here is dropped
for the processes that they start as well.
"""

import os

os.environ["ENV_FILE"] = os.devnull

from app.core.settings import Settings  # it reads ENV_FILE as it is imported

for name in list(os.environ):
    if name.lower() in Settings.model_fields:
        del os.environ[name]
