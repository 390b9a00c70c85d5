// Starts the deck once its equations are set, since an equation that is not shown cannot be measured.
addEventListener("load", async () => {
  await globalThis.MathJax?.startup?.promise;
  await Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    pdfSeparateFragments: false,
    plugins: [RevealNotes],
  });
});
