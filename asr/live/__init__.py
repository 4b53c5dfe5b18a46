"""Speech as it is spoken: from a microphone, over a websocket, on a web page.

In reading order:

    microphone.py      the sound card, or a file played in its place
    listen.py          one audio input in, its transcript out
    engine.py          many live streams, one network
    vosk.py            Vosk's websocket protocol for one client
    sessions.py        all websocket clients: limits, time-outs, shutdown
    openai_api.py      OpenAI's HTTP interface for files
    subtitles_api.py   subtitles for the transcript on the page
    access.py          who may use the server
    limits.py          how much a server accepts
    metrics.py         its counters
    server.py          all of these as one web application
    page/              the web page
"""
