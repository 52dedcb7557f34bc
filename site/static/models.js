"use strict";

// Models in the page: loads what site/models.py packed, each file once and only when it is wanted; tokenizes and computes.
const models = (() => {
  const { root, files } = JSON.parse(document.getElementById("course").textContent);
  const local = location.protocol === "file:"; // where a page may load nothing but scripts
  const once = new Map();
  const remember = (name, make) => once.get(name) ?? (once.set(name, make()), once.get(name).catch(() => once.delete(name)), once.get(name));

  // A packed script as a page opened from a folder runs it: the string's characters are bytes, moved up by its encoding
  const arriving = new Map();
  window.packed = (name, text) => {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i) & 255;
    arriving.get(name)(bytes);
  };
  const run = (name) =>
    new Promise((resolve, reject) => {
      arriving.set(name, resolve);
      const script = Object.assign(document.createElement("script"), { charset: "x-user-defined", src: root + files[name][0] });
      script.onerror = () => reject(new Error(files[name][0]));
      document.head.append(script);
    });

  // The same script as a server sends it: what stands between its quotes, without the escapes
  const fetched = async (name, tell) => {
    const answer = await fetch(root + files[name][0]);
    if (!answer.ok) throw new Error(`${answer.status} ${files[name][0]}`);
    const script = new Uint8Array(files[name][1]);
    let size = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      script.set(value, size);
      size += value.length;
      tell(value.length);
    }
    if (size !== script.length) throw new Error(`${size} ${files[name][0]}`);
    const escapes = { 110: 10, 114: 13 };
    let end = 0;
    for (let i = script.indexOf(44) + 2; i < size - 2; i++) {
      const escaped = script[i] === 92;
      const byte = script[escaped ? ++i : i];
      script[end++] = escaped ? (escapes[byte] ?? byte) : byte;
    }
    return script.subarray(0, end);
  };

  const bytes = (name, tell = () => {}) =>
    remember(name, async () => {
      const packed = local ? await run(name) : await fetched(name, tell);
      if (local) tell(files[name][1]);
      return new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
    });
  const imported = async (name) => import(URL.createObjectURL(new Blob([await bytes(name)], { type: "text/javascript" })));

  const tokenizer = (base) =>
    remember(`tokenizer of ${base}`, async () => {
      const { Tokenizer } = await imported("tokenizers");
      const { tokenizer, tokenizer_config, ...own } = JSON.parse(new TextDecoder().decode(await bytes(`${base}-tokenizer`)));
      const added = tokenizer.added_tokens.map((token) => token.content.replace(/[[\]|<>/]/g, "\\$&"));
      return Object.assign(new Tokenizer(tokenizer, tokenizer_config), own, {
        mask: tokenizer_config.mask_token,
        unknown: tokenizer_config.unk_token,
        marks: new RegExp(`(${added.join("|")})`),
        stripping: new Set(tokenizer.added_tokens.filter((token) => token.lstrip).map((token) => token.content)),
        special: new Set(tokenizer.added_tokens.map((token) => token.content).filter((token) => token !== tokenizer_config.unk_token)),
      });
    });

  // 16 bits a weight, lower bytes first, 0, -1, 1, -2 … as 0, 1, 2, 3 …; an adapted model is kept as what to add to the bundled one
  const weights = (name, base) =>
    remember(`weights of ${name}`, async () => {
      const planes = await bytes(name);
      const count = planes.length / 2;
      const whole = new Uint16Array(count);
      const below = name === base ? [] : await weights(base, base);
      for (let i = 0; i < count; i++) {
        const folded = planes[i] + 256 * planes[count + i];
        whole[i] = ((folded >>> 1) ^ -(folded & 1)) + (below[i] ?? 0);
      }
      return whole;
    });

  const runtime = () =>
    remember("runtime started", async () => {
      const ort = await imported("runtime");
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: (await bytes("wasm")).buffer });
      return ort;
    });

  const compute = async (name, base, graph, inputs) => {
    const ort = await runtime();
    const session = await remember(`session of ${name}`, async () =>
      ort.InferenceSession.create(await bytes(graph), {
        executionProviders: ["wasm"],
        externalData: [{ path: "weights", data: new Uint8Array((await weights(name, base)).buffer) }],
      }),
    );
    const feeds = Object.entries(inputs).map(([key, [numbers, shape]]) => [key, new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), shape)]);
    const answer = await session.run(Object.fromEntries(feeds));
    return answer[session.outputNames[0]];
  };

  // Tokens of a text with their words and places in it, which the package does not tell
  const pieces = (tokenizer, text) => {
    const found = [];
    const parts = text.split(tokenizer.marks); // every second one is a special token, typed
    const normal = (part) => [...part].map((character) => tokenizer.normalizer?.(character) ?? character).join("");
    let [word, place] = [0, 0];
    for (const [i, part] of parts.entries()) {
      const spaces = tokenizer.stripping.has(part) ? /\s*$/.exec(parts[i - 1])[0] : ""; // belong to this token
      if (i % 2) found.push({ token: spaces + part, word: word++, start: place - spaces.length, stop: place + part.length });
      else {
        const origins = []; // of each character that is left after normalizing
        let from = place;
        for (const character of part) {
          for (const made of normal(character)) if (made.trim()) origins.push([from, from + character.length]);
          from += character.length;
        }
        const kept = tokenizer.stripping.has(parts[i + 1]) ? part.trimEnd() : part;
        for (const one of tokenizer.pre_tokenizer(normal(kept))) {
          for (const token of tokenizer.model([one])) {
            const size = [...(token === tokenizer.unknown ? one : token.replace(/^##/, ""))].length;
            const [first, last] = [origins[0], origins[size - 1]];
            origins.splice(0, size);
            found.push({ token, word, start: first?.[0], stop: last?.[1] });
          }
          word++;
        }
      }
      place += part.length;
    }
    return found;
  };

  // As the library's tokenizers do it: special tokens around one text or a pair
  const encode = (tokenizer, text, second) => {
    const { tokens, token_type_ids } = tokenizer.post_processor(pieces(tokenizer, text), second ? pieces(tokenizer, second) : null, true);
    return tokens.map((piece, i) => {
      const { token, word = null, start = 0, stop = 0 } = piece.token ? piece : { token: piece };
      const id = tokenizer.token_to_id(token) ?? tokenizer.token_to_id(token.trim()) ?? tokenizer.token_to_id(tokenizer.unknown);
      return { token, id, word, start, stop, segment: tokenizer.segments ? token_type_ids[i] : null };
    });
  };

  const likeliest = (row, k) => {
    const best = [];
    for (let id = 0; id < row.length; id++) {
      if (best.length === k && row[id] <= row[best[k - 1]]) continue;
      const place = best.findIndex((other) => row[id] > row[other]);
      best.splice(place < 0 ? best.length : place, 0, id);
      best.length = Math.min(best.length, k);
    }
    return best;
  };

  return {
    async load(names, tell) {
      const all = names.reduce((sum, name) => sum + (once.has(name) ? 0 : files[name][1]), 0);
      let done = 0;
      await Promise.all(names.map((name) => bytes(name, (size) => tell((done += size), all))));
    },
    size: (names) => names.reduce((sum, name) => sum + files[name][1], 0),
    has: (name) => name in files,
    tokenizer,
    encode,

    // For each blank of a sentence the k likeliest tokens and their probabilities; no blanks where the text is cut before them
    async guesses(name, base, sentence, k = 5) {
      const tokens = await tokenizer(base);
      let ids = encode(tokens, sentence).map((token) => token.id);
      if (ids.length > tokens.limit) ids = [...ids.slice(0, tokens.limit - 1), ids.at(-1)];
      const mask = tokens.token_to_id(tokens.mask);
      const blanks = [...ids.keys()].filter((i) => ids[i] === mask);
      if (!blanks.length) return [];
      const inputs = { input_ids: [ids, [1, ids.length]], blanks: [blanks, [blanks.length]] };
      const { data, dims } = await compute(name, base, `${base}-guesses`, inputs);
      return blanks.map((_, i) => {
        const row = data.subarray(i * dims[1], (i + 1) * dims[1]);
        return likeliest(row, k).map((id) => [tokens.decode([id]).trim() || tokens.id_to_token(id), row[id]]);
      });
    },

    // The probabilities of the classes of a pair; none where it is too long
    async verdict(name, base, first, second) {
      const tokens = await tokenizer(base);
      const pair = encode(tokens, first, second);
      if (pair.length > tokens.limit) return [];
      const shape = [1, pair.length];
      const inputs = { input_ids: [pair.map((token) => token.id), shape], token_type_ids: [pair.map((token) => token.segment), shape] };
      return [...(await compute(name, base, `${base}-verdict`, inputs)).data];
    },
  };
})();
