"""`at_will.py COMMAND …` is `python -m app COMMAND …` where keys may be reported without end.

And at once: the limit and the even pace of those answers are not what is tested there. Run as a
file: the package `tests` drops the settings.
"""

from app.keys import reports

if __name__ == "__main__":
    reports.KEYS_OVERALL = 1_000_000_000
    reports.ANSWER_SECONDS = 0.001
    from app.cli import run

    run()
