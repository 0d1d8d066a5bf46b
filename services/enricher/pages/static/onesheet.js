// What pages do beyond what HTML does by itself. Without it all of them work: links lead on, forms are sent.

const TEXTS = JSON.parse(document.body.dataset.texts);
const PAUSES_MS = [1000, 2000, 4000, 8000, 15000, 30000];
const PLACEHOLDER_PX = 40;
const status = document.querySelector(".said");
document.documentElement.classList.add("scripted");

function tell(text) {
  const line = document.createElement("p");
  line.textContent = text;
  status.append(line);
}

async function fetched(path) {
  const answer = await fetch(path, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`${answer.status} ${path}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// --- pictures: a blurred preview at once, and asked again with growing pauses while they are on their way

// https://evanw.github.io/thumbhash/: a few cosines of lightness and colour.
function thumbhashPixels(hash) {
  const header = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const header2 = hash[3] | (hash[4] << 8);
  const [meanL, meanP, meanQ] = [(header & 63) / 63, ((header >> 6) & 63) / 31.5 - 1, ((header >> 12) & 63) / 31.5 - 1];
  const [scaleL, hasAlpha] = [((header >> 18) & 31) / 31, header >> 23];
  const [scaleP, scaleQ, landscape] = [((header2 >> 3) & 63) / 63, ((header2 >> 9) & 63) / 63, header2 >> 15];
  const across = Math.max(3, landscape ? (hasAlpha ? 5 : 7) : header2 & 7);
  const down = Math.max(3, landscape ? header2 & 7 : hasAlpha ? 5 : 7);
  let at = 0;
  const start = hasAlpha ? 6 : 5;
  function channel(nx, ny, scale) {
    const found = [];
    for (let y = 0; y < ny; y++)
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++)
        found.push((((hash[start + (at >> 1)] >> ((at++ & 1) << 2)) & 15) / 7.5 - 1) * scale);
    return found;
  }
  const light = channel(across, down, scaleL);
  const p = channel(3, 3, scaleP * 1.25);
  const q = channel(3, 3, scaleQ * 1.25);
  const ratio = across / down;
  const [width, height] = [Math.round(ratio > 1 ? 32 : 32 * ratio), Math.round(ratio > 1 ? 32 / ratio : 32)];
  const pixels = new ImageData(width, height);
  const cosines = (length) =>
    Array.from({ length: 8 }, (_, n) => Float64Array.from({ length }, (_, place) => Math.cos((Math.PI / length) * (place + 0.5) * n)));
  const [ofX, ofY] = [cosines(width), cosines(height)];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const sum = (mean, parts, nx, ny) => {
        let value = mean;
        for (let v = 0, j = 0; v < ny; v++)
          for (let u = v ? 0 : 1; u * ny < nx * (ny - v); u++, j++) value += parts[j] * ofX[u][x] * ofY[v][y] * 2;
        return value;
      };
      const [l, a, b] = [sum(meanL, light, across, down), sum(meanP, p, 3, 3), sum(meanQ, q, 3, 3)];
      const blue = l - (2 / 3) * a;
      const red = (3 * l - blue + b) / 2;
      pixels.data.set([red, red - b, blue].map((one) => Math.max(0, Math.min(1, one)) * 255), i);
      pixels.data[i + 3] = 255;
    }
  }
  return pixels;
}

// A preview takes longer to make than a stored picture to come: it is made of what can be seen and has not come soon.
const PREVIEW_AFTER_MS = 150;
const nearby = new IntersectionObserver(
  (entries) =>
    entries.filter((one) => one.isIntersecting).forEach(({ target }) => {
      nearby.unobserve(target);
      setTimeout(preview, PREVIEW_AFTER_MS, target);
    }),
  { rootMargin: "300px 0px" },
);

function preview(tone) {
  const image = tone.parentElement?.querySelector("img");
  if (image?.complete && image.naturalWidth > PLACEHOLDER_PX) return;
  try {
    const pixels = thumbhashPixels(Uint8Array.from(atob(tone.dataset.thumbhash), (one) => one.charCodeAt(0)));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [pixels.width, pixels.height];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    tone.style.backgroundImage = `url(${canvas.toDataURL()})`;
    tone.classList.add("has-hash");
  } catch {
    // the colour stays
  }
}

function watch(image) {
  let asked = 0;
  const hasCome = () => image.naturalWidth > PLACEHOLDER_PX || image.naturalHeight > PLACEHOLDER_PX;
  const askAgain = () => {
    if (!image.isConnected || asked >= PAUSES_MS.length * 3) return;
    const pause = PAUSES_MS[Math.min(asked++, PAUSES_MS.length - 1)];
    setTimeout(() => {
      const { src, srcset } = image;
      image.removeAttribute("srcset");
      image.src = src;
      if (srcset) image.srcset = srcset;
    }, pause);
  };
  const look = () => {
    image.classList.toggle("waits", !hasCome());
    if (!hasCome()) askAgain();
  };
  image.addEventListener("load", look);
  image.addEventListener("error", () => {
    image.classList.add("waits");
    askAgain();
  });
  if (image.complete && image.naturalWidth) look();
  else if (image.complete && image.loading !== "lazy") {
    image.classList.add("waits");
    askAgain();
  } else image.classList.add("waits");
}

// --- lists that go on, and places that are filled later

const whenSeen = new IntersectionObserver(
  (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => one.target.dispatchEvent(new Event("seen"))),
  { rootMargin: "1200px 0px" },
);

// The address says which page is looked at, so that it is there again after going back or loading anew.
let looking = null;
function keepPlace() {
  looking ??= requestAnimationFrame(() => {
    looking = null;
    const begun = [...document.querySelectorAll("[data-page]")].filter((one) => one.getBoundingClientRect().top < innerHeight / 2);
    const { page } = begun.pop()?.dataset ?? {};
    if (page && page !== location.pathname + location.search) history.replaceState(history.state, "", page);
  });
}
if (document.querySelector("[data-wall]")) addEventListener("scroll", keepPlace, { passive: true });

// The room that cards will take, while nobody sees its end: nothing that is looked at moves when they come.
function keepRoom(wall, count) {
  const places = Array.from({ length: count }, () => {
    const place = document.createElement("li");
    place.className = "coming";
    place.ariaHidden = "true";
    place.append(...["frame", "lines"].map((name) => Object.assign(document.createElement("span"), { className: name })));
    return place;
  });
  wall.append(...places);
  return places;
}

async function goOn(link, where) {
  if (link.dataset.busy) return;
  link.dataset.busy = "yes";
  const label = link.textContent;
  link.textContent = TEXTS.working;
  const wall = document.querySelector("[data-wall]");
  const places = keepRoom(wall, Number(link.dataset[where] || 0));
  try {
    const page = await fetched(link.href);
    const cards = [...page.querySelectorAll("[data-wall] > li")];
    enliven(...cards);
    if (where === "later") {
      cards.splice(0, places.length).forEach((card, number) => places[number].replaceWith(card));
      places.forEach((place) => place.remove());
      wall.append(...cards);
    } else {
      const height = document.documentElement.scrollHeight;
      wall.prepend(...cards);
      scrollBy(0, document.documentElement.scrollHeight - height);
    }
    const next = page.querySelector(`[data-${where}]`);
    const place = link.closest("p");
    if (next) {
      link.href = next.href;
      link.dataset[where] = next.dataset[where];
      link.textContent = label;
      delete link.dataset.busy;
      whenSeen.unobserve(link);
      whenSeen.observe(link);
    } else place.remove();
  } catch {
    places.forEach((place) => place.remove());
    link.textContent = label;
    delete link.dataset.busy;
    tell(TEXTS.not_loaded);
  }
}

async function fill(place, path = place.dataset.load) {
  if (place.dataset.filled === path) return;
  place.dataset.filled = path;
  place.setAttribute("aria-busy", "true");
  try {
    const part = (await fetched(path)).getElementById(place.dataset.part);
    const { back } = place.dataset;
    if (back) for (const input of part.querySelectorAll("input[name=back]")) input.value = back;
    place.replaceChildren(part);
    enliven(place);
  } catch {
    delete place.dataset.filled;
    tell(TEXTS.not_loaded);
  }
  place.removeAttribute("aria-busy");
}

// --- what happens is heard, and the parts that show it are had again

function listen(path, kinds, lookEveryS) {
  let due = null;
  let again = false;
  const refresh = async () => {
    try {
      const page = await fetched(document.body.dataset.shown ?? location.pathname + location.search);
      if (!page.body.dataset.lookEvery) clearInterval(looks);
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (!fresh || part.contains(document.activeElement) || part.innerHTML === fresh.innerHTML) continue;
        part.replaceChildren(...fresh.childNodes);
        enliven(part);
      }
    } catch {
      // the next event comes
    }
    due = null;
    if (again) soon();
  };
  const soon = () => {
    again = due !== null;
    if (!due) due = setTimeout(() => {
      again = false;
      refresh();
    }, 400);
  };
  const looks = lookEveryS && setInterval(soon, lookEveryS * 1000); // for what no event tells of
  const events = new EventSource(path);
  for (const kind of ["hello", ...kinds]) events.addEventListener(kind, soon); // what happened before it listened is told by nobody
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

// --- everything that stands in a part of the page

function enliven(...parts) {
  const all = (selector) => parts.flatMap((part) => [...(part.matches?.(selector) ? [part] : []), ...part.querySelectorAll(selector)]);
  all("[data-thumbhash]").forEach((tone) => nearby.observe(tone));
  all("img[data-picture]").forEach(watch);
  all("[data-submit-on-change]").forEach((form) => form.addEventListener("change", () => form.requestSubmit()));
  all("form[data-confirm]").forEach((form) =>
    form.addEventListener("submit", (event) => {
      if (!confirm(form.dataset.confirm)) event.preventDefault();
    }),
  );
  all("form[method=post]").forEach((form) =>
    form.addEventListener("submit", (event) => {
      const button = form.querySelector("button");
      if (!event.defaultPrevented && button) setTimeout(() => Object.assign(button, { disabled: true, textContent: TEXTS.working }));
    }),
  );
  all("[data-load]").forEach((place) => {
    const details = place.closest("details");
    if (details) {
      details.addEventListener("toggle", () => details.open && fill(place));
      if (details.open) fill(place);
    }
    else if ("atOnce" in place.dataset) fill(place);
  });
  all("[data-swap]").forEach((link) =>
    link.addEventListener("click", (event) => {
      const place = link.closest("[data-load]");
      if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.replaceState(history.state, "", link.href);
      fill(place, link.dataset.swap);
    }),
  );
}

enliven(document);
for (const [where, link] of [["later", document.querySelector("[data-later]")], ["earlier", document.querySelector("[data-earlier]")]]) {
  if (!link) continue;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    goOn(link, where);
  });
  if (where === "later") {
    link.addEventListener("seen", () => goOn(link, where));
    whenSeen.observe(link);
  }
}
document.querySelector("[data-back]")?.addEventListener("click", (event) => {
  if (document.referrer.startsWith(location.origin) && new URL(document.referrer).pathname === `${document.body.dataset.root}/`) {
    event.preventDefault();
    history.back();
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    document.querySelector("[data-slash]").focus();
  }
  const card = event.target.closest?.(".card");
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (card && step) (step > 0 ? card.nextElementSibling : card.previousElementSibling)?.querySelector("a")?.focus();
});
const { events, refreshOn, lookEvery } = document.body.dataset;
if (events) listen(events, refreshOn.split(" "), Number(lookEvery ?? 0));
