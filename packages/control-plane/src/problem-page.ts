// What a browser shows when it can not be signed in: one sentence and the way on.

/** An HTML document with a message; the page's own style, no script. */
export function problemPage(message: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Sign in · Gitspaces</title>
    <link rel="stylesheet" href="/style.css" />
  </head>
  <body>
    <main>
      <h1>This did not sign you in</h1>
      <p>${escape(message)}</p>
      <p><a href="/">Go to your Gitspaces</a></p>
    </main>
  </body>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
