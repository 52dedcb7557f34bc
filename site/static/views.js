"use strict";

// The notebooks' views, answering in the page. Each stands in place of its static picture, which stays until it is touched.
(() => {
  const { labels, worker } = JSON.parse(document.getElementById("course").textContent);
  const [BLUE, ORANGE, VERMILION, GREEN, GREY] = ["#0072b2", "#e69f00", "#d55e00", "#009e73", "#999999"];
  const LONGEST_WORD = 20; // tokens; those of a longer one are masked one by one
  const BLANK = /\[MASK\]|<mask>|_{3,}/gi;

  const escaped = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  const rounded = (number) => (Math.abs(number) % 1 === 0.25 ? number - 0.05 : number).toFixed(1); // half to even, as Python does
  const filled = (text, values) =>
    text.replace(/\{(\w*)(?::\.(\d)%)?\}/g, (_, name, digits) =>
      digits === undefined ? values[name] : `${digits === "0" ? (100 * values[name]).toFixed(0) : rounded(100 * values[name])}%`,
    );
  const percent = (share) => `${rounded(100 * share)}%`;
  const note = (sentence) => `<p role="status" style="border-left:4px solid ${ORANGE};padding-left:.6em">${escaped(sentence)}</p>`;

  // The same pictures as helpers/views/html.py draws; a test compares them
  const lens = (tokens) => {
    const rows = ["token", "id", "segment", "word"].map((key) => {
      const cells = tokens.map(({ [key]: cell, word }) => {
        const fill = word === null ? "" : `background:${BLUE}${word % 2 ? "14" : "40"};`;
        const style = `border:${word === null ? "1px dashed" : "1px solid"} currentColor;${fill}padding:.2em .5em;text-align:center;font-family:monospace;white-space:pre`;
        const [open, close] = key === "token" ? ['th scope="col"', "th"] : ["td", "td"];
        return `<${open} style="${style}">${cell === null ? "–" : escaped(cell)}</${close}>`;
      });
      const head = `<th scope="row" style="text-align:left;white-space:nowrap;padding:.2em .8em .2em 0">${labels[key]}</th>`;
      return key === "segment" && tokens[0].segment === null ? "" : `<tr>${head}${cells.join("")}</tr>`;
    });
    return `<div style="overflow-x:auto"><table style="border-collapse:collapse;color:inherit;font-size:inherit">${rows.join("")}</table></div>`;
  };

  const BOXES = {
    mask: `2px solid currentColor;background:${ORANGE}40`,
    random: `4px double currentColor;background:${VERMILION}40`,
    kept: `2px dotted currentColor;background:${GREEN}40`,
  };
  const box = (kind, html) =>
    `<span style="display:inline-block;border:${BOXES[kind]};border-radius:4px;padding:0 .25em;margin:1px;line-height:1.4">${html}</span>`;
  const masked = (pieces, wanted) => {
    const text = pieces.map(({ before, old, changed, kind }) => {
      const [was, is] = [escaped(old), escaped(changed)];
      if (kind === "special") return `${escaped(before)}<small style="font-family:monospace;margin:0 .4em">${was}</small>`;
      return escaped(before) + (kind ? box(kind, kind === "kept" ? `<b>${was}</b>` : `<s>${was}</s> <b>${is}</b>`) : was);
    });
    const count = (kind) => pieces.filter((piece) => piece.kind === kind).length;
    const [total, picked] = [pieces.length - count("special"), count("mask") + count("random") + count("kept")];
    const rates = filled(labels.rates, { wanted, drawn: total ? picked / total : 0, picked, total });
    const key = Object.keys(BOXES).map((kind) => `${box(kind, labels[kind])} × ${count(kind)} \u2003 `);
    return (
      `<div style="line-height:2;white-space:pre-wrap;overflow-wrap:anywhere">${text.join("")}</div>` +
      `<p style="line-height:2;margin:.6em 0 0">${rates}<br>${key.join("")}</p>`
    );
  };

  const bars = (columns) => {
    const most = Math.max(...columns.flatMap(([, blanks]) => blanks.flat().map(([, probability]) => probability)));
    const column = ([name, blanks], i) => {
      const colour = [GREY, BLUE, ORANGE, GREEN, VERMILION][i % 5];
      const tables = blanks.map((guesses, number) => {
        const rows = guesses.map(([token, probability]) => {
          const [shown, share] = [escaped(token), percent(probability)];
          const bar = `width:${percent(probability / most)};height:1em;background:${colour}a6;border:1px solid currentColor;box-sizing:border-box`;
          return (
            `<tr><th scope="row" style="width:35%;text-align:right;padding:.1em .5em;white-space:pre-wrap">${shown}</th>` +
            `<td style="padding:.1em"><div role="img" aria-label="${shown}: ${share}" style="${bar}"></div></td>` +
            `<td style="width:4em;text-align:right;font-variant-numeric:tabular-nums">${share}</td></tr>`
          );
        });
        const caption = blanks.length > 1 ? `<caption>${labels.blank.replace("{}", number + 1)}</caption>` : "";
        return `<table style="width:100%;border-collapse:collapse;color:inherit;font-size:inherit">${caption}${rows.join("")}</table>`;
      });
      return `<div style="flex:1 1 18em;max-width:30em"><b>${escaped(name)}</b>${tables.join("")}</div>`;
    };
    return `<div style="display:flex;flex-wrap:wrap;gap:1em 2em;overflow-x:auto">${columns.map(column).join("")}</div>`;
  };

  // PyTorch's random numbers: a Mersenne Twister (Matsumoto and Nishimura, 1998), and how torch.rand and torch.randint use it
  const generator = (seed) => {
    const state = new Uint32Array(624);
    state[0] = seed;
    for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    let next = 624;
    const draw = () => {
      if (next === 624) {
        for (let i = 0; i < 624; i++) {
          const mixed = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
          state[i] = state[(i + 397) % 624] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
        }
        next = 0;
      }
      let number = state[next++];
      number ^= number >>> 11;
      number ^= (number << 7) & 0x9d2c5680;
      number ^= (number << 15) & 0xefc60000;
      return (number ^ (number >>> 18)) >>> 0;
    };
    const times = (count, make) => Array.from({ length: count }, make);
    return { rand: (count) => times(count, () => (draw() & 0xffffff) / 2 ** 24), randint: (count, high) => times(count, () => draw() % high) };
  };

  // As helpers/views/widgets.py draws masks over a text: the same ones for the same seed
  const masks = (tokenizer, { text, rate, whole, mix, seed }) => {
    const tokens = models.encode(tokenizer, text);
    const special = tokens.map(({ token, word }) => word === null || tokenizer.special.has(token));
    const units = tokens.map(({ word }, i) => (special[i] ? -1 : whole ? word : i));
    const long = (unit) => unit >= 0 && units.filter((other) => other === unit).length > LONGEST_WORD;
    let run = -1;
    const runs = units.map((unit, i) => (run += unit !== units[i - 1] || long(unit)));
    const random = generator(seed);
    const luck = random.rand(runs.at(-1) + 1);
    const fates = random.rand(tokens.length);
    const others = random.randint(tokens.length, tokenizer.model.vocab.length);
    let end = 0;
    return tokens.map(({ token, start, stop }, i) => {
      const picked = !special[i] && luck[runs[i]] < Math.fround(rate);
      const kind = special[i] ? "special" : !picked ? "" : !mix || fates[i] < 0.8 ? "mask" : fates[i] < 0.9 ? "random" : "kept";
      const old = special[i] ? token : text.slice(Math.max(start, end), stop) || (picked ? token : "");
      const changed = { mask: tokenizer.mask, random: tokenizer.id_to_token(others[i]) }[kind] ?? "";
      const before = text.slice(end, Math.max(start, end));
      end = Math.max(end, stop);
      return { before, old, changed, kind };
    });
  };

  const named = (name) => ({ sentence: labels.first, text: labels.first, mix: "80/10/10" })[name] ?? labels[name] ?? name;
  const VIEWS = {
    lens: {
      controls: { first: "text", second: "text" },
      parts: ({ base }) => ["tokenizers", `${base}-tokenizer`],
      async draw({ base }, { first, second }) {
        return first.trim() ? lens(models.encode(await models.tokenizer(base), first, second)) : note(labels.empty);
      },
    },
    masks: {
      controls: { text: "textarea", rate: "range", whole: "checkbox", mix: "checkbox", seed: "number", again: "button" },
      parts: ({ base }) => ["tokenizers", `${base}-tokenizer`],
      async draw({ base }, values) {
        return values.text.trim() ? masked(masks(await models.tokenizer(base), values), values.rate) : note(labels.empty);
      },
    },
    guesses: {
      controls: { sentence: "text", ask: "submit" },
      parts: ({ base, models }) => ["tokenizers", `${base}-tokenizer`, "runtime", "wasm", `${base}-guesses`, ...new Set([base, ...models.map(([, file]) => file)])],
      async draw({ base, models: shown }, { sentence }) {
        const tokenizer = await models.tokenizer(base);
        const asked = sentence.replace(BLANK, () => tokenizer.mask);
        if (asked === sentence && !sentence.includes(tokenizer.mask)) return note(labels.write);
        const columns = [];
        for (const [name, file] of shown) columns.push([named(name), await models.guesses(file, base, asked)]);
        return columns.some(([, blanks]) => !blanks.length) ? note(filled(labels.long, tokenizer)) : bars(columns);
      },
    },
    verdict: {
      controls: { first: "text", second: "text", ask: "submit" },
      parts: ({ base, models: [[, file]] }) => ["tokenizers", `${base}-tokenizer`, "runtime", "wasm", `${base}-verdict`, base, file],
      async draw({ base, models: [[name, file]] }, { first, second }) {
        if (!first.trim() || !second.trim()) return note(labels.both);
        const classes = await models.verdict(file, base, first, second);
        if (!classes.length) return note(labels.too_long);
        return bars([[named(name), [[[labels.equivalent, classes[1]], [labels.not_equivalent, classes[0]]]]]]);
      },
    },
  };

  // A worker that serves from its cache what the network does not: pages answer offline once they have answered at all
  let keeping;
  const keepOffline = () =>
    (keeping ??= (async () => {
      if (!navigator.serviceWorker || location.protocol === "file:") return;
      await navigator.serviceWorker.register(worker);
      const { active } = await navigator.serviceWorker.ready;
      const seen = [location.href, ...performance.getEntriesByType("resource").map((entry) => entry.name)];
      active.postMessage(seen.filter((address) => new URL(address).origin === location.origin));
    })().catch(() => {}));

  const make = (tag, attributes, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };

  const start = (place) => {
    const spec = JSON.parse(place.dataset.view);
    const { controls, parts, draw } = VIEWS[spec.kind];
    const needed = parts(spec);
    const picture = make("div", { className: "picture" }, ...place.childNodes);
    picture.setAttribute("aria-live", "polite");
    const status = make("p", { className: "status" }, filled(labels.offer, { size: (models.size(needed) / 1e6).toFixed(1) }));
    const inputs = {};
    const fields = Object.entries(controls).map(([name, type]) => {
      if (type === "button" || type === "submit") return (inputs[name] = make("button", { type }, named(name)));
      const input = (inputs[name] = type === "textarea" ? make(type, { rows: 3 }) : make("input", { type }));
      input.autocomplete = "off";
      if (type === "range") Object.assign(input, { min: 0, max: 0.6, step: 0.01 });
      if (type === "number") Object.assign(input, { min: 0, max: 2 ** 31, step: 1 });
      input[type === "checkbox" ? "checked" : "value"] = spec[name] ?? "";
      const shown = type === "range" ? [make("output", {}, filled("{v:.0%}", { v: spec[name] }))] : [];
      const label = make("label", { className: type }, make("span", {}, named(name)), input, ...shown);
      input.addEventListener("input", () => shown[0]?.replaceChildren(filled("{v:.0%}", { v: input.value })));
      return label;
    });
    const values = () =>
      Object.fromEntries(
        Object.entries(inputs).map(([name, { type, value, checked }]) => [
          name,
          type === "checkbox" ? checked : type === "range" ? Number(value) : type === "number" ? Math.min(Math.max(Math.trunc(value) || 0, 0), 2 ** 31) : value,
        ]),
      );

    let [turn, loaded] = [0, false];
    const answer = async () => {
      const mine = ++turn;
      try {
        if (!loaded) {
          const bar = make("progress", { max: 1, value: 0 });
          bar.setAttribute("aria-label", labels.loading);
          status.replaceChildren(`${labels.loading} `, bar);
          await Promise.race([keepOffline(), new Promise((done) => setTimeout(done, 2000))]); // some browsers never start a worker
          await models.load(needed, (done, all) => (bar.value = done / all));
        }
        const html = await draw(spec, values());
        loaded = true;
        if (mine === turn) {
          picture.innerHTML = html;
          reachable(picture); // site.js
        }
        status.replaceChildren(labels.here);
      } catch (error) {
        status.replaceChildren(filled(labels.failed, { error: error.message }));
      }
      place.dispatchEvent(new Event("answered"));
    };

    const form = make("form", { ariaLabel: labels[{ lens: "lens", masks: "explorer" }[spec.kind] ?? spec.kind] }, ...fields);
    const waits = "ask" in inputs; // a model is too slow for every key
    form.addEventListener("submit", (event) => (event.preventDefault(), answer()));
    form.addEventListener("input", () => waits || answer());
    form.addEventListener("pointerdown", () => loaded || turn || answer(), { once: true });
    form.addEventListener("keydown", () => waits && (loaded || turn || answer()));
    inputs.again?.addEventListener("click", () => ((inputs.seed.value = Number(inputs.seed.value) + 1), answer()));
    place.replaceChildren(form, status, picture);
    place.classList.add("live");
  };

  document.querySelectorAll("[data-view]").forEach(start);
})();
