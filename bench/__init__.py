"""The tutorials' way beside this course's, in one run: `python -m bench`."""
