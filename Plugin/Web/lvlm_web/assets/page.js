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

  // Drawing on the picture: what the pointer does becomes a line of text, such as LVLM Edit Picture takes; y counts from the bottom.
  let path = [];
  const size = () => state().get("edit_size");
  const radius = () => Math.max(0.5, (Math.max(...size()) * state().get("brush")) / 320);
  function pixel(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const at = (part, count) => Math.min(Math.max(Math.floor(part * count), 0), count - 1);
    const [width, height] = size();
    return [at((event.clientX - box.left) / box.width, width), at((event.clientY - box.top) / box.height, height)];
  }
  const corners = () => {
    const [[a, b], [c, d]] = [path[0], path[path.length - 1]];
    return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
  };
  function show() {
    if (!path.length) {
      set("stroke", "");
    } else if (state().get("tool") === "brush") {
      set("stroke", "M" + path.concat([path[path.length - 1]]).map(([x, y]) => `${x + 0.5} ${y + 0.5}`).join("L"));
    } else {
      const [left, top, right, bottom] = corners();
      set("stroke", `M${left} ${top}H${right + 1}V${bottom + 1}H${left}Z`);
    }
  }
  function press(event) {
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    path = [pixel(event)];
    show();
  }
  function move(event) {
    const last = path[path.length - 1];
    if (!last) {
      return;
    }
    const next = pixel(event);
    if ((next[0] !== last[0] || next[1] !== last[1]) && path.length < 5000) {
      path.push(next);
      show();
    }
  }
  function release() {
    const tool = state().get("tool");
    const [left, top, right, bottom] = path.length ? corners() : [0, 0, 0, 0];
    const height = size()[1];
    const drawn = tool === "brush" ? path.length > 0 : right > left || bottom > top;
    const where =
      tool === "brush"
        ? [radius(), ...path.flatMap(([x, y]) => [x, height - 1 - y])]
        : [left, height - 1 - bottom, right, height - 1 - top];
    path = [];
    show();
    if (drawn) {
      window.trame.trigger("edit", [[tool, ...where, ...(tool === "crop" ? [] : [state().get("fill")])].join(" ")]);
    }
  }
  // What the model will not see, around what it will: left, right, bottom, top.
  const unseen = ([width, height], [left, right, bottom, top]) =>
    `M0 0H${width}V${height}H0ZM${left} ${height - top}H${right}V${height - bottom}H${left}Z`;
  const fitted = ([width, height]) => ({ aspectRatio: width / height, width: `min(100cqw, 100cqh * ${width / height})` });

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
    radius,
    unseen,
    fitted,
    place,
    slide,
  };
})();
