// Opens Swagger UI, and lets it write for a browser that is signed in: each request gets the CSRF token of the session. An
// API key that is entered in the dialog takes precedence over the session.
window.onload = function () {
  window.ui = SwaggerUIBundle({
    url: "../openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
    layout: "StandaloneLayout",
    requestInterceptor: function (request) {
      const token = document.cookie.match(/(?:^|; )offprint_csrf=([0-9a-f]+)/);
      if (token) request.headers["X-CSRF-Token"] = token[1];
      return request;
    },
  });
};
