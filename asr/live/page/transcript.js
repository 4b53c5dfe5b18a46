// What was said so far: on the page, and as text and subtitles to download.
const DOUBTFUL = 0.5;
const LONGEST_CUE = 80; // characters

export class Transcript {
  constructor(finals) {
    this.finals = finals;
    this.utterances = [];
  }

  // Words with their times in seconds; `offset` is where their recording begins.
  add(words, offset) {
    if (!words.length) return;
    const moved = words.map((word) => ({ ...word, start: word.start + offset, end: word.end + offset }));
    this.utterances.push(moved);
    const line = document.createElement("p");
    const time = document.createElement("time");
    time.textContent = clock(moved[0].start).slice(3, 8);
    const text = document.createElement("span");
    moved.forEach((word) => text.append(show(word), " "));
    line.append(time, text);
    this.finals.append(line);
    line.scrollIntoView({ block: "nearest" });
  }

  clear() {
    this.utterances = [];
    this.finals.replaceChildren();
  }

  toText() {
    return this.utterances.map((words) => words.map(({ word }) => word).join(" ") + "\n").join("");
  }

  toSrt() {
    return this.utterances.flatMap(cutCues).map(writeCue).join("\n");
  }
}

function show({ word, conf }) {
  const span = document.createElement("span");
  span.className = conf < DOUBTFUL ? "word doubtful" : "word";
  span.style.setProperty("--confidence", conf ?? 1);
  if (conf !== undefined) span.title = `${Math.round(100 * conf)} % sure`;
  span.textContent = word;
  return span;
}

function cutCues(words) {
  const cues = [[]];
  let length = 0;
  for (const word of words) {
    if (length + word.word.length > LONGEST_CUE) {
      cues.push([]);
      length = 0;
    }
    cues.at(-1).push(word);
    length += word.word.length + 1;
  }
  return cues;
}

function writeCue(words, index) {
  const text = words.map(({ word }) => word).join(" ");
  return `${index + 1}\n${clock(words[0].start)} --> ${clock(words.at(-1).end)}\n${text}\n`;
}

function clock(seconds) {
  return new Date(Math.round(1000 * seconds)).toISOString().slice(11, 23).replace(".", ",");
}
