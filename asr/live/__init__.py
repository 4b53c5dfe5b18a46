"""Speech as it is spoken: from a microphone, over a websocket, on a web page."""
