// A mail's link brings its tokens in the fragment, which no server sees: put them into the form, and out of sight.
const link = new URLSearchParams(location.hash.slice(1));
const form = document.getElementById("new-password");
if (!form) {
  // Supabase leads to the site's own address where it does not know the page's; the gate leads on to here.
  if (link.has("access_token") || link.has("error")) location.replace("/auth/new-password" + location.hash);
} else {
  history.replaceState(null, "", location.pathname);
  for (const name of ["access_token", "refresh_token"]) {
    if (link.has(name)) form.elements[name].value = link.get(name);
  }
  if (link.has("error") || !(form.elements.token_hash.value || form.elements.access_token.value)) {
    form.hidden = true;
    document.getElementById("broken").hidden = false;
  }
}
