"use strict";

// Shows each new version of the page in place of the last, without losing the position.
let version = document.currentScript.dataset.version;

async function follow() {
	for (;;) {
		let response;
		try {
			response = await fetch(`/next?after=${version}`);
			version = response.headers.get("Lamina-Version") ?? version;
			if (response.status === 204) continue;
			if (!response.ok) throw new Error(response.statusText);
			const page = new DOMParser().parseFromString(await response.text(), "text/html");
			document.title = page.title;
			document.head.querySelector("style")?.remove();
			document.head.append(...page.head.querySelectorAll("style"));
			document.body.replaceChildren(...page.body.children);
		} catch {
			const note = document.createElement("p");
			note.className = "notes";
			note.setAttribute("role", "status");
			note.textContent = "The run has ended or was stopped. REPORT.html in its folder has this page.";
			(document.querySelector("header") ?? document.body).append(note);
			return;
		}
	}
}
follow();
