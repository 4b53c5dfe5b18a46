"""The result and its formats; knows nothing of recognition.

words -> transcript -> formats (all of them), subtitles (SRT, VTT), textgrid (Praat), display (terminal, notebook).
"""
