// Plays an utterance from where its picture is clicked, and shows where it plays.
for (const example of document.querySelectorAll(".example")) {
  const sound = example.querySelector("audio");
  const picture = example.querySelector(".picture");
  if (!sound || !picture) continue;
  const cursor = picture.querySelector(".cursor");
  const width = picture.viewBox.baseVal.width;
  const seconds = Number(picture.dataset.seconds);
  const follow = () => {
    const x = (width * sound.currentTime) / seconds;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    if (!sound.paused) requestAnimationFrame(follow);
  };
  sound.addEventListener("play", follow);
  sound.addEventListener("seeked", follow);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    sound.currentTime = (seconds * (event.clientX - box.left)) / box.width;
    sound.play();
  });
}
