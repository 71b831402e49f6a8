"use strict";
// The page works without this. With it, the form is answered in place, there is a what-if curve, and what changes
// is seen to change.

const EVERY = 4000;
const POINTS = 61;
const find = (selector) => document.querySelector(selector);

function make(name, attributes = {}, text = "", space = "http://www.w3.org/1999/xhtml") {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}
const draw = (name, attributes, text) => make(name, attributes, text, "http://www.w3.org/2000/svg");
const quote = (text) => "'" + text.replaceAll("'", `'"'"'`) + "'";
const brief = (value) => String(Number(Number(value).toPrecision(4)));

// --- the form

const controls = () => [...find("#row").querySelectorAll("input, select")];
const filled = () =>
  Object.fromEntries(controls().map((one) => [one.name, one.type === "number" ? one.valueAsNumber : one.value]));

async function post(path, row) {
  const body = JSON.stringify(row);
  const address = new URL(path, document.baseURI).href;
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch(address, { method: "POST", headers, body });
  return { reply, body, address, said: await reply.json() };
}

function fault(text) {
  const notice = make("p", { class: "notice fault" });
  notice.append(make("strong", {}, "No prediction."), ` ${text}`);
  return notice;
}

function showProblems(problems) {
  for (const one of controls()) {
    const problem = problems.find((each) => each.field === one.name);
    one.closest(".field").querySelector(".problem").textContent = problem ? problem.message : "";
    if (problem) one.setAttribute("aria-invalid", "true");
    else one.removeAttribute("aria-invalid");
  }
}

async function predict(event) {
  event.preventDefault();
  const answer = find("#answer");
  const api = find("#row").dataset.api;
  try {
    const { reply, body, address, said } = await post(api, filled());
    const problems = reply.ok ? [] : (said.errors || []).filter((one) => one.field);
    showProblems(problems);
    if (!reply.ok) {
      answer.replaceChildren(fault(problems.length ? "The row was not admitted." : said.detail));
      return;
    }
    const { target, unit } = find("#try").dataset;
    const value = typeof said[target] === "number" ? Number(said[target].toPrecision(6)) : said[target];
    const line = make("p", { class: "prediction" });
    line.append(make("span", { class: "name" }, target), " ");
    line.append(make("span", { class: "value" }, unit ? `${value} ${unit}` : String(value)));
    const by = make("p", { class: "by" }, "by ");
    by.append(make("code", {}, said.model_version));
    const command = make("pre", { tabindex: "0" });
    command.append(make("code", {}, curl(address, body)));
    answer.replaceChildren(line, ...outside(reply), ...likely(said), by, make("p", {}, "The same in a shell:"), command);
  } catch (error) {
    answer.replaceChildren(fault(`The service could not be reached: ${error.message}`));
  }
}

function curl(address, body) {
  const key = document.body.hasAttribute("data-keys") ? ' -H "Authorization: Bearer $WEIGHBRIDGE_KEY"' : "";
  return `curl -H 'Content-Type: application/json'${key} -d ${quote(body)} ${quote(address)}`;
}

function outside(reply) {
  const names = reply.headers.get("X-Outside-Training-Range");
  if (!names) return [];
  const notice = make("p", { class: "notice held" });
  const read = names.split(", ").map(decodeURIComponent).join(", ");
  notice.append(make("strong", {}, "Outside the range in training:"), ` ${read}. Take the prediction with care.`);
  return [notice];
}

function likely(said) {
  if (!said.probabilities) return [];
  const list = make("ul", { class: "likely" });
  for (const [level, value] of Object.entries(said.probabilities)) {
    const item = make("li");
    item.append(make("span", {}, level), make("meter", { value, "aria-label": level }));
    item.append(make("span", { class: "number" }, value.toFixed(3)));
    list.append(item);
  }
  return [list];
}

// --- what if

async function curve() {
  const drawn = find("#drawn");
  if (!find("#row").reportValidity()) return;
  const along = controls().find((one) => one.name === find("#along").value);
  const isNumber = along.type === "number";
  const [low, high] = [Number(along.dataset.low), Number(along.dataset.high)];
  const at = isNumber
    ? Array.from({ length: POINTS }, (_, place) => (place === POINTS - 1 ? high : low + ((high - low) * place) / (POINTS - 1)))
    : [...along.options].map((option) => option.value);
  const columns = Object.fromEntries(Object.entries(filled()).map(([name, value]) => [name, at.map(() => value)]));
  columns[along.name] = at;
  try {
    const { reply, said } = await post(`${find("#row").dataset.api}/batch`, columns);
    if (!reply.ok) throw new Error(said.detail);
    const { target, unit, levels } = find("#try").dataset;
    const names = JSON.parse(levels);
    const found = said.predictions;
    const rows = (name) => (Array.isArray(found) ? found.map((one) => one[name]) : found[name]);
    const lines = names.length
      ? names.slice(0, 6).map((level) => [level, rows("probabilities").map((one) => one[level])])
      : [[target, rows(target)]];
    find("#curve").replaceChildren(picture(at, lines, isNumber ? along.valueAsNumber : along.value));
    const what = names.length ? "The probability of each class" : unit ? `${target} (${unit})` : target;
    const more = names.length > 6 ? `, the first 6 of ${names.length}` : "";
    drawn.textContent = `${what}${more} along ${along.name}, the other fields as they are filled in; by ${said.model_version}`;
  } catch (error) {
    find("#curve").replaceChildren();
    drawn.textContent = `No curve: ${error.message}`;
  }
}

function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
  return found;
}

function picture(at, lines, here) {
  const width = Math.max(300, Math.min(900, find("#curve").clientWidth));
  const height = 250;
  const [left, right, top, bottom] = [58, width - 16, 14 + (lines.length > 1 ? 20 : 0), height - 30];
  const isNumber = typeof at[0] === "number";
  const values = lines.flatMap(([, line]) => line);
  let [least, greatest] = [Math.min(...values), Math.max(...values)];
  const room = (greatest - least || Math.abs(greatest) || 1) * 0.08;
  least -= room;
  greatest += room;
  const [first, last] = isNumber ? [at[0], at[at.length - 1]] : [-0.5, at.length - 0.5];
  const x = (value) => left + ((value - first) / (last - first || 1)) * (right - left);
  const y = (value) => bottom - ((value - least) / (greatest - least)) * (bottom - top);
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "drawn" });
  for (const tick of ticks(least, greatest)) {
    svg.append(draw("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }));
    svg.append(draw("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, brief(tick)));
  }
  const below = isNumber ? ticks(first, last).map((value) => [x(value), brief(value)]) : at.map((name, place) => [x(place), name]);
  const fits = Math.max(4, Math.floor((right - left) / below.length / 7));
  for (const [place, text] of below) {
    const label = text.length > fits ? `${text.slice(0, fits - 1)}…` : text;
    svg.append(draw("text", { x: place, y: height - 8, "text-anchor": "middle" }, label));
  }
  const now = isNumber ? here : at.indexOf(here);
  if (now >= first && now <= last) svg.append(draw("line", { class: "here", x1: x(now), x2: x(now), y1: top, y2: bottom }));
  let offset = left;
  lines.forEach(([name, line], number) => {
    const colour = `c${number + 1}`;
    const places = line.map((value, place) => [x(isNumber ? at[place] : place), y(value)]);
    if (isNumber) svg.append(draw("path", { class: `curve ${colour}`, d: `M${places.map((one) => one.join(" ")).join("L")}` }));
    else for (const [cx, cy] of places) svg.append(draw("circle", { class: `dot ${colour}`, cx, cy, r: 5 }));
    if (lines.length > 1) {
      // Told by colour and by its dashes.
      svg.append(draw("line", { class: `curve ${colour}`, x1: offset, x2: offset + 26, y1: 10, y2: 10 }));
      svg.append(draw("text", { class: colour, x: offset + 31, y: 14 }, name));
    }
    offset += 52 + 7.5 * name.length;
  });
  return svg;
}

// --- what changes

function listen() {
  const form = find("#row");
  if (!form) return;
  form.addEventListener("submit", predict);
  find("#draw").addEventListener("click", curve);
  find("#what-if").hidden = false;
}

async function renew() {
  const reply = await fetch(new URL("./", document.baseURI));
  if (!reply.ok) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
  const version = (page) => page.querySelector("#live code")?.textContent;
  const [before, after] = [version(document), version(fresh)];
  const renewed = ["#live", "#history"];
  if (find("#try").dataset.schema !== fresh.querySelector("#try").dataset.schema) renewed.push("#try");
  const focus = document.activeElement?.getAttribute("href");
  for (const part of renewed) find(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
  if (focus && document.activeElement === document.body) find(`[href="${CSS.escape(focus)}"]`)?.focus();
  if (renewed.includes("#try")) listen();
  document.body.dataset.mark = fresh.body.dataset.mark;
  if (before !== after) find("#told").textContent = after ? `Now live: ${after}` : "No model is live";
}

async function look() {
  const fresh = find("#fresh");
  try {
    const reply = await fetch(new URL("page/state", document.baseURI));
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    const { mark, now } = await reply.json();
    const tiles = now.map(([name, value]) => {
      const tile = make("div");
      tile.append(make("dt", {}, name), make("dd", {}, value));
      return tile;
    });
    find("#now .tiles").replaceChildren(...tiles);
    fresh.textContent = `Renewed at ${new Date().toLocaleTimeString()}.`;
    if (mark !== document.body.dataset.mark) await renew();
  } catch {
    fresh.textContent = "The service does not answer; these numbers are old.";
  }
}

let timer = 0;
async function turn() {
  if (document.visibilityState === "visible") await look();
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(turn, EVERY);
}

listen();
document.addEventListener("visibilitychange", turn);
turn();
