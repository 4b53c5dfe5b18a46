"""Many recordings in, files out.

inputs (which recordings) -> transcribe, align (the work) -> outputs (where results go), progress (what people see).
language_models makes and measures language models from text files.
"""
