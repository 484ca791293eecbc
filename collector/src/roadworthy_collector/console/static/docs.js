"use strict";
// Outside the page because the content security policy allows no script inside it.
window.addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: false,
    docExpansion: "list",
    validatorUrl: null, // nothing is sent to anybody else
    supportedSubmitMethods: [],
    presets: [window.SwaggerUIBundle.presets.apis],
  });
});
