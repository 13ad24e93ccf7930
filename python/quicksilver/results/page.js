"use strict";
const content = JSON.parse(document.getElementById("content").textContent);
const SIGNS = {good: "✓", doubtful: "?", failed: "✗", missing: "–"};
const element = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
