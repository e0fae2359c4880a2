"use strict";

const shown = 5; // classes per image
const $ = (id) => document.getElementById(id);
const percent = (p) => (100 * p).toFixed(1) + " %";

// ask sends an image to the server and returns its classes.
async function ask(picture) {
	let response;
	try {
		response = await fetch(`/v1/predict?top=${shown}`, { method: "POST", body: picture });
	} catch {
		throw new Error("The server does not answer.");
	}
	const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
	if (!response.ok) throw new Error(answer.error);
	return answer.pictures[0].classes;
}

// show classifies an image in a card of its own.
async function show(picture, name) {
	const card = $("card").content.cloneNode(true).firstElementChild;
	const image = card.querySelector(".picture");
	const first = card.querySelector(".first");
	image.onload = () => image.classList.toggle("tiny", image.naturalWidth <= 64);
	image.onerror = () => image.replaceWith(Object.assign(document.createElement("span"), { className: "picture" }));
	image.alt = name;
	image.src = URL.createObjectURL(picture);
	card.querySelector(".name").textContent = name;
	$("results").prepend(card);
	try {
		const classes = await ask(picture);
		first.textContent = classes[0].class;
		for (const c of classes) {
			const bar = $("bar").content.cloneNode(true).firstElementChild;
			bar.querySelector(".class").textContent = c.class;
			bar.querySelector(".number").textContent = percent(c.probability);
			card.querySelector(".bars").append(bar);
			const fill = bar.querySelector(".fill");
			fill.getBoundingClientRect(); // starts the transition from zero
			fill.style.width = percent(c.probability).replace(" ", "");
		}
		$("status").textContent = `${name}: ${classes[0].class}, ${percent(classes[0].probability)}`;
	} catch (error) {
		card.classList.add("wrong");
		first.textContent = error.message;
		$("status").textContent = `${name}: ${error.message}`;
	}
	card.setAttribute("aria-busy", "false");
}

function showAll(files) {
	for (const file of files) show(file, file.name);
}

$("files").addEventListener("change", (event) => {
	showAll(event.target.files);
	event.target.value = ""; // so that the same file can be chosen again
});

for (const button of document.querySelectorAll("[data-sample]")) {
	button.addEventListener("click", async () => {
		const response = await fetch(button.dataset.sample).catch(() => null);
		if (response) show(await response.blob(), button.dataset.name);
		else $("status").textContent = "The server does not answer.";
	});
}

// Files can be dropped anywhere on the page.
addEventListener("dragover", (event) => {
	event.preventDefault();
	$("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
	if (!event.relatedTarget) $("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
	event.preventDefault();
	$("drop").classList.remove("over");
	showAll(event.dataTransfer.files);
});
