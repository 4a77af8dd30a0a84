/* SPDX-License-Identifier: MIT */
/*
 * Makes elements. Whatever the data hold gets into the page here, as text nodes or attribute values, never as markup.
 */
const SVG = "http://www.w3.org/2000/svg";

/* What a browser would act on rather than show: control characters, marks and overrides of direction, what has no width. */
function shown(text) {
	return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, function (c) {
		const code = c.charCodeAt(0).toString(16);
		return code.length < 3 ? "\\x" + code.padStart(2, "0") : "\\u" + code.padStart(4, "0");
	});
}

function fill(element, attributes, parts) {
	for (const key in attributes)
		if (attributes[key] !== null && attributes[key] !== undefined)
			element.setAttribute(key, shown(attributes[key]));
	for (const part of parts.flat(4))
		if (part !== null && part !== undefined && part !== false)
			element.append(part instanceof Node ? part : document.createTextNode(shown(part)));
	return element;
}

/* An element of HTML, of SVG; parts are elements, texts, nothing (null) or lists of them. */
function h(tag, attributes, ...parts) {
	return fill(document.createElement(tag), attributes, parts);
}

function s(tag, attributes, ...parts) {
	return fill(document.createElementNS(SVG, tag), attributes, parts);
}

/* A name out of the data: its direction of writing stays its own. */
function name(text) {
	return h("bdi", {class: "name"}, text);
}

function pair(edge) {
	return [name(edge.client), " \u2192 ", name(edge.server)];
}

/* columns: [title, kind] with kind "text", "long" or none (figures). rows: {cells, sub}; the first cell heads its row. */
function table(caption, columns, rows) {
	const kinds = columns.map(c => c[1] === "long" ? "text long" : c[1] || null);
	const cell = (part, i) => i ? h("td", {class: kinds[i]}, part) : h("th", {scope: "row"}, part);
	const body = rows.map(row => h("tr", {class: row.sub ? "sub" : null}, row.cells.map(cell)));
	const head = columns.map((c, i) => h("th", {scope: "col", class: kinds[i] ? "text" : null}, c[0]));

	return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
		h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

function section(id, title, ...parts) {
	return h("section", {id: id, "aria-labelledby": id + "-title"}, h("h2", {id: id + "-title"}, title), parts);
}

function aside(text) {
	return h("p", {class: "muted"}, text);
}
