"""Speech as it is spoken: from a microphone, over a websocket, on a web page (page/).

On this machine: microphone.py is an input, listen.py recognises and records it.

On a server: engine.py runs many streams through one network, vosk.py and sessions.py serve websockets, openai_api.py
and subtitles_api.py HTTP, wyoming.py Home Assistant, access.py checks requests; settings.py and metrics.py serve all;
server.py joins them.
"""
