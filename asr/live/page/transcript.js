// Of a number the first word has all of what is written, the others nothing: one word, as doubtful as the worst of them.
export function joinNumbers(words) {
  const joined = [];
  for (const word of words) {
    const number = joined.at(-1);
    if (word.written !== "" || !number) joined.push({ ...word });
    else if (word.conf !== undefined) number.conf = Math.min(number.conf ?? 1, word.conf);
  }
  return joined;
}

// The transcript so far: on the page, and as a file to download. The server writes the subtitles.
export class Transcript {
  constructor(finals, token) {
    this.finals = finals;
    this.token = token;
    this.doubtful = 0; // confidence below which a word is underlined; the server says
    this.clear();
  }

  // Puts the words of the last utterance again, now that its sentence has ended.
  close(words, offset) {
    if (!words.length || !this.utterances.length) return;
    this.utterances.pop();
    this.finals.lastElementChild.remove();
    this.add(words, offset);
  }

  // Words with their times in seconds; `offset` is where their recording starts.
  add(words, offset) {
    if (!words.length) return;
    const moved = words.map((word) => ({ ...word, start: word.start + offset, end: word.end + offset }));
    this.utterances.push(moved);
    this.subtitles = null;
    const line = document.createElement("p");
    const time = document.createElement("time");
    time.textContent = new Date(Math.round(1000 * moved[0].start)).toISOString().slice(14, 19);
    const text = document.createElement("span");
    joinNumbers(moved).forEach((word) => text.append(this.show(word), " "));
    line.append(time, text);
    this.finals.append(line);
    line.scrollIntoView({ block: "nearest" });
  }

  // `written` is the word with its mark and capitals.
  show({ word, written, conf }) {
    const span = document.createElement("span");
    span.className = conf < this.doubtful ? "word doubtful" : "word";
    span.style.setProperty("--confidence", conf ?? 1);
    if (conf !== undefined) span.title = `${Math.round(100 * conf)} % sure`;
    span.textContent = written ?? word;
    return span;
  }

  clear() {
    this.utterances = [];
    this.subtitles = null; // of these utterances, once the server has written them
    this.finals.replaceChildren();
  }

  toText() {
    const written = (words) => words.map(({ word, written }) => written ?? word).filter(Boolean);
    return this.utterances.map((words) => written(words).join(" ") + "\n").join("");
  }

  // Keeps the subtitles, so that they can be saved when the server is gone. `duration` is in seconds.
  async toSrt(duration) {
    if (this.subtitles !== null) return this.subtitles;
    const [utterances, count] = [this.utterances, this.utterances.length];
    const subtitles = await this.requestSrt(duration);
    if (utterances === this.utterances && count === utterances.length) this.subtitles = subtitles;
    return subtitles;
  }

  async requestSrt(duration) {
    const describe = ({ word, written, start, end }) => ({ text: word, written: written ?? null, start, end });
    const segments = this.utterances.map((words) => ({ words: words.map(describe) }));
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const body = JSON.stringify({ duration, segments });
    const response = await fetch("/subtitles/srt", { method: "POST", body, headers });
    if (!response.ok) throw new Error((await response.json()).error.message);
    return response.text();
  }
}
