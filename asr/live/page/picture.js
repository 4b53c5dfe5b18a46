// Draws the audio as a moving log-mel picture and a level meter. It changes nothing.
const BANDS = 80;
const COLUMNS_PER_SECOND = 60;

export class Picture {
  constructor(canvas, level) {
    this.canvas = canvas;
    this.level = level;
    this.canvas.width = 600;
    this.canvas.height = BANDS;
    this.context = canvas.getContext("2d");
  }

  start(audio, source) {
    this.analyser = new AnalyserNode(audio, { fftSize: 1024, smoothingTimeConstant: 0 });
    source.connect(this.analyser);
    this.spectrum = new Float32Array(this.analyser.frequencyBinCount);
    this.samples = new Float32Array(this.analyser.fftSize);
    this.edges = melEdges(audio.sampleRate, this.analyser.fftSize);
    this.drawnAt = performance.now();
    this.draw();
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.level.value = -60;
  }

  draw() {
    this.frame = requestAnimationFrame(() => this.draw());
    this.analyser.getFloatTimeDomainData(this.samples);
    this.level.value = 10 * Math.log10(this.samples.reduce((sum, x) => sum + x * x, 1e-9) / this.samples.length);
    this.analyser.getFloatFrequencyData(this.spectrum);
    this.addColumn();
  }

  // Its width is the time since the last column.
  addColumn() {
    const { width, height } = this.canvas;
    const now = performance.now();
    const step = Math.min(width, Math.max(1, Math.round(((now - this.drawnAt) / 1000) * COLUMNS_PER_SECOND)));
    this.drawnAt = now;
    this.context.globalCompositeOperation = "copy"; // drawn over itself, it would grow darker
    this.context.drawImage(this.canvas, -step, 0);
    this.context.globalCompositeOperation = "source-over";
    this.context.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--accent");
    for (let band = 0; band < BANDS; band++) {
      let loudest = -Infinity;
      for (let bin = this.edges[band]; bin <= this.edges[band + 1]; bin++) loudest = Math.max(loudest, this.spectrum[bin]);
      this.context.globalAlpha = Math.min(1, Math.max(0, (loudest + 100) / 65)) ** 1.5;
      this.context.fillRect(width - step, height - 1 - band, step, 1);
    }
    this.context.globalAlpha = 1;
  }
}

// The bins at which bands start, equally wide on the mel scale up to 8 kHz, the top of the model's features.
function melEdges(sampleRate, fftSize) {
  const toMel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
  const toHertz = (mel) => 700 * (10 ** (mel / 2595) - 1);
  const top = toMel(Math.min(8000, sampleRate / 2));
  return Array.from({ length: BANDS + 1 }, (_, band) => {
    const bin = Math.round((toHertz((band / BANDS) * top) / sampleRate) * fftSize);
    return Math.min(fftSize / 2 - 1, bin);
  });
}
