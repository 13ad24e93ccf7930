element("title").textContent = content.title;
element("picture").src = content.picture;
for (const note of content.notes) element("notes").append(make("li", {textContent: note}));

for (const volume of content.volumes) {
  const swatch = make("span", {className: "swatch"});
  swatch.style.background = volume.colour;
  const numbers = [volume.voxels, volume.volume_mm3.toFixed(0)].map((value) => make("td", {className: "number", textContent: value}));
  element("volumes").append(make("tr", {}, make("td", {}, swatch), make("td", {textContent: volume.label}),
                                 make("td", {textContent: volume.name}), ...numbers));
}

for (const [name, verdict] of Object.entries(content.atlases)) {
  const level = make("span", {className: `verdict ${verdict.level}`, textContent: `${SIGNS[verdict.level]} ${verdict.level}`});
  const link = make("a", {href: `atlases/${encodeURIComponent(name)}/report.html`, textContent: name});
  element("atlases").append(make("li", {}, level, " ", link, verdict.reasons.length ? `: ${verdict.reasons.join("; ")}` : ""));
}
document.body.dataset.ready = "yes";
