/* SPDX-License-Identifier: MIT */
/* Shows the data: the last of the scripts, which are one when they get here (assemble). */
const data = JSON.parse(document.getElementById("data").textContent);

/* Paper is light and narrow, whatever the window is. */
function printing(on) {
	document.documentElement.classList.toggle("printing", on);
	redraw();
}

/* dygraphs' own legend sets styles in a way that the page's policy refuses; ours stands beside the chart. */
Dygraph.PLUGINS = Dygraph.PLUGINS.filter(p => p !== Dygraph.Plugins.Legend);

(function () {
	const page = document.getElementById("page");

	page.textContent = "";
	if (data.compare)
		showCompare(page, data.compare);
	else
		showReport(page, data.report);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
	window.addEventListener("beforeprint", () => printing(true));
	window.addEventListener("afterprint", () => printing(false));
	document.documentElement.dataset.ready = "1";
})();
