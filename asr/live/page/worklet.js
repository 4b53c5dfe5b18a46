// The microphone's samples in, blocks of 0.1 s out.
class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.port.onmessage = () => this.flush();
  }

  process([[channel]]) {
    if (!channel) return true;
    for (let at = 0; at < channel.length;) {
      const taken = Math.min(channel.length - at, this.block.length - this.filled);
      this.block.set(channel.subarray(at, at + taken), this.filled);
      at += taken;
      this.filled += taken;
      if (this.filled === this.block.length) this.send();
    }
    return true;
  }

  send() {
    this.port.postMessage(this.block.slice(0, this.filled));
    this.filled = 0;
  }

  flush() {
    this.send();
    this.port.postMessage(null); // the end
  }
}

registerProcessor("blocks", Blocks);
