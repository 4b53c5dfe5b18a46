// Sends the microphone's audio to the server and receives its replies, in Vosk's protocol on a websocket.
const MAX_UNSENT = 1 << 19; // bytes; a connection that is too slow loses audio rather than falling further behind

export class Stream {
  constructor(token, picture, on) {
    this.token = token;
    this.picture = picture;
    this.on = on; // partial(committed, tail), result(words, closed), dropped(count), end(reason)
    this.seconds = 0;
    this.dropped = 0;
  }

  async start() {
    const constraints = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    this.media = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    this.audio = new AudioContext();
    await this.audio.resume(); // some browsers start suspended
    await this.audio.audioWorklet.addModule("/page/worklet.js");
    await this.connect();
    const source = this.audio.createMediaStreamSource(this.media);
    this.worklet = new AudioWorkletNode(this.audio, "blocks", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.worklet.port.onmessage = ({ data }) => (data ? this.send(data) : this.sendEnd());
    source.connect(this.worklet);
    this.picture.start(this.audio, source);
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const query = this.token ? `?token=${encodeURIComponent(this.token)}` : "";
    this.socket = new WebSocket(`${scheme}//${location.host}/${query}`);
    this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    return new Promise((resolve, reject) => {
      this.socket.onopen = () => {
        const config = { sample_rate: this.audio.sampleRate, words: true, committed: true, punctuate: true };
        this.socket.send(JSON.stringify({ config }));
        resolve();
      };
      this.socket.onclose = ({ code, reason }) => {
        reject(new Error(reason || "the server does not answer"));
        this.close();
        this.on.end(code === 1000 ? "" : reason || `connection lost (${code})`);
      };
    });
  }

  send(block) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > MAX_UNSENT) {
      this.on.dropped(++this.dropped);
      return;
    }
    this.seconds += block.length / this.audio.sampleRate; // as the server counts
    const pcm = new Int16Array(block.length);
    for (let i = 0; i < block.length; i++) pcm[i] = Math.max(-1, Math.min(1, block[i])) * 32767;
    this.socket.send(pcm);
  }

  sendEnd() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send('{"eof" : 1}');
  }

  receive(reply) {
    if ("partial" in reply) this.on.partial(reply.committed, reply.partial.slice(reply.committed.length));
    else this.on.result(reply.result ?? [], reply.closed?.result ?? []);
  }

  stop() {
    this.worklet?.port.postMessage("flush");
    this.picture.stop();
    this.media.getTracks().forEach((track) => track.stop());
  }

  close() {
    this.picture.stop();
    this.media?.getTracks().forEach((track) => track.stop());
    if (this.audio?.state !== "closed") this.audio?.close();
    if (this.socket?.readyState <= WebSocket.OPEN) this.socket.close();
  }
}
