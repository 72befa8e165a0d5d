// SPDX-License-Identifier: Apache-2.0
// What happens in the browser alone: uploads, progress and Abort, the figure's size, the choice of patches.
(function () {
  const state = () => window.trame.state;
  const set = (name, value) => state().set(name, value);

  async function post(what, body) {
    try {
      const response = await fetch(what, { method: "POST", body });
      return await response.json();
    } catch (error) {
      return { error: "The server did not take this: it may have gone, or the picture is too large." };
    }
  }

  async function upload(files) {
    if (!files.length) {
      return;
    }
    set("uploading", true);
    const answer = await post("picture", files[0]);
    set("uploading", false);
    if (answer.error) {
      set("error", answer.error);
    } else {
      window.trame.trigger("use_upload", [answer.picture]);
    }
  }

  // Progress comes beside the page: the process behind the page says nothing while it computes.
  const events = new EventSource("events");
  events.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.ended) {
      end(news.ended);
      return;
    }
    for (const [name, value] of Object.entries(news)) {
      set(name, value);
    }
  };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) {
      end("The server has ended, or this page was not used for long.");
    }
  };

  // In the place of the page, of which nothing works any more.
  function end(why) {
    events.close();
    if (document.getElementById("lv-ended")) {
      return;
    }
    const cover = document.createElement("div");
    cover.className = "lv-gone";
    cover.id = "lv-ended";
    const link = document.createElement("a");
    link.href = "/";
    link.textContent = "Open a new page";
    cover.append(why, link);
    document.body.append(cover);
  }

  // The figure is drawn in the size that it has on the page.
  let pause = 0;
  const measure = (entries) => {
    const { width, height } = entries[0].contentRect;
    clearTimeout(pause);
    pause = setTimeout(() => set("area", [Math.round(width), Math.round(height)]), 300);
  };
  const waitForFigure = setInterval(() => {
    const figure = document.getElementById("lv-figure");
    if (figure) {
      clearInterval(waitForFigure);
      new ResizeObserver(measure).observe(figure);
    }
  }, 100);

  // Sliders: the number changes at once, the figure when it rests.
  let rest = 0;
  function slide(name, value) {
    set(name + "_slid", value);
    clearTimeout(rest);
    rest = setTimeout(() => {
      set(name, value);
      set(name + "_slid", null);
    }, 250);
  }

  // Of so many rows or columns, the one at a part of a length.
  const at = (part, count) => Math.min(Math.max(Math.floor(part * count), 0), count - 1);

  // Patches: a click adds or takes away one, a rectangle adds all in it.
  let start = null;
  let before = [];
  function cell(event) {
    const patches = state().get("patches");
    const box = event.currentTarget.getBoundingClientRect();
    return [
      at((event.clientY - box.top) / box.height, patches.length),
      at((event.clientX - box.left) / box.width, patches[0].length),
    ];
  }
  function press(event) {
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    start = cell(event);
    before = state().get("chosen");
    const patch = state().get("patches")[start[0]][start[1]];
    set("chosen", before.includes(patch) ? before.filter((other) => other !== patch) : [...before, patch]);
  }
  function move(event) {
    if (!start) {
      return;
    }
    const [row, column] = cell(event);
    if (row === start[0] && column === start[1]) {
      return;
    }
    const [top, bottom] = [Math.min(row, start[0]), Math.max(row, start[0])];
    const [left, right] = [Math.min(column, start[1]), Math.max(column, start[1])];
    const inside = state().get("patches").slice(top, bottom + 1).flatMap((line) => line.slice(left, right + 1));
    set("chosen", [...new Set([...before, ...inside])]);
  }
  function release() {
    start = null;
  }
  const cells = (patches, chosen) => {
    const taken = new Set(chosen);
    return patches.map((line, row) => line.map((patch, column) => (taken.has(patch) ? `M${column} ${row}h1v1h-1z` : "")).join("")).join("");
  };
  const outline = (patches) => {
    const [rows, columns] = [patches.length, patches.length ? patches[0].length : 0];
    const lines = [];
    for (let row = 1; row < rows; row++) {
      lines.push(`M0 ${row}h${columns}`);
    }
    for (let column = 1; column < columns; column++) {
      lines.push(`M${column} 0v${rows}`);
    }
    return lines.join("");
  };

  // Drawing on the picture as it was given: pixels that count from its lower left, as the server counts.
  let points = null; // of what is being drawn
  function pixel(event) {
    const [width, height] = state().get("canvas_size");
    const box = event.currentTarget.getBoundingClientRect();
    return [at((event.clientX - box.left) / box.width, width), height - 1 - at((event.clientY - box.top) / box.height, height)];
  }
  function pressStroke(event) {
    event.preventDefault();
    if (state().get("busy")) {
      return;
    }
    event.currentTarget.setPointerCapture(event.pointerId);
    points = [pixel(event), pixel(event)];
    set("stroke", points);
  }
  function moveStroke(event) {
    if (!points) {
      return;
    }
    const [next, last] = [pixel(event), points[points.length - 1]];
    if (state().get("tool") !== "brush") {
      points = [points[0], next];
    } else if (points.length < MOST_POINTS && Math.hypot(next[0] - last[0], next[1] - last[1]) >= brushWidth() / 8) {
      points = [...points, next];
    }
    set("stroke", points);
  }
  function releaseStroke() {
    const drawn = points;
    points = null;
    if (drawn && (state().get("tool") === "brush" || drawn.some(([x, y]) => x !== drawn[0][0] || y !== drawn[0][1]))) {
      window.trame.trigger("add_edit", [state().get("current"), drawn]).finally(() => points || set("stroke", []));
    } else {
      set("stroke", []); // a click is no rectangle
    }
  }
  const MOST_POINTS = 2000; // as in app.py
  const brushWidth = () => (state().get("brush") * Math.max(...state().get("canvas_size"))) / 100;
  const boxOf = ([x0, y0, x1, y1], height) => `M${x0} ${height - y1 - 1}H${x1 + 1}V${height - y0}H${x0}z`;
  const stroked = (tool, places, [, height]) => {
    if (tool === "brush") {
      return "M" + places.map(([x, y]) => `${x + 0.5} ${height - y - 0.5}`).join("L");
    }
    const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
    return boxOf([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)], height);
  };
  const kept = (edits) => {
    const crop = edits.filter((line) => line.startsWith("crop")).pop(); // the last one counts
    return crop && crop.split(" ").slice(1, 5).map(Number);
  };
  const around = (box, [width, height]) => `M0 0H${width}V${height}H0z` + boxOf(box, height);

  // Where a figure was clicked: parts of its width and height, from the lower left. It is fitted into its element.
  function place(event) {
    const image = event.currentTarget;
    const box = image.getBoundingClientRect();
    const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
    const part = (at, middle, size) => 0.5 + (at - middle) / (scale * size);
    return [
      part(event.clientX, box.x + box.width / 2, image.naturalWidth),
      1 - part(event.clientY, box.y + box.height / 2, image.naturalHeight),
    ];
  }

  window.trame.utils.lvlm = {
    choose: () => document.getElementById("lv-file").click(),
    upload,
    abort: () => post("abort"),
    press,
    move,
    release,
    pressStroke,
    moveStroke,
    releaseStroke,
    stroked,
    kept,
    around,
    cells,
    outline,
    place,
    slide,
  };
})();
