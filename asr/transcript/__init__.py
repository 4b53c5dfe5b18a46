"""The result and its formats; knows nothing of recognition.

transcript (words, segments and the whole, and how people see it) -> subtitles (SRT, VTT) -> formats (all of them).
"""
