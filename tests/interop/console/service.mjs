// The pages about the service: keys, schedules, and what is only looked at.

async function useKeys({ page, url, key, assert, openWindow, signIn, desktop }) {
  await page.goto(`${url}/console/keys`);
  await page.locator("form[action$='/console/keys'] button[type=submit]").click();
  assert((await page.locator("#name:invalid").count()) === 1, "a key has a name");
  await page.locator("#name").fill("of the interop tests");
  await page.locator("#role").selectOption("IpsUser");
  await page.locator("form[action$='/console/keys'] button[type=submit]").click();
  const created = (await page.locator("#key").innerText()).trim();
  assert(created.startsWith("op_"), "the key is shown once");
  const ask = () => fetch(`${url}/export-jobs`, { headers: { authorization: `Bearer ${created}` } });
  assert((await ask()).status === 200, "it works");
  const other = await openWindow(desktop);
  if (key) {
    await signIn(other, created);
    assert((await other.locator(".sections a", { hasText: "System" }).count()) === 0, "without the right there is no link");
    assert((await other.goto(`${url}/console/system`)).status() === 403, "and no page");
  }
  await page.goto(`${url}/console/keys`);
  const row = page.locator("tr", { hasText: "of the interop tests" });
  await row.locator("summary").click();
  await row.locator("form button").click();
  assert((await page.locator("#message").innerText()).includes("The key was revoked."), "revoked");
  if (key) {
    assert((await ask()).status === 401, "programs are refused");
    await other.goto(`${url}/console/jobs`);
    assert(new URL(other.url()).pathname === "/sign-in", "and the session has ended");
  }
  await other.context().close();
}

async function useSchedules({ page, url, call, assert, shared }) {
  const { scheduleHandle } = await call("POST", "/export-schedules", {
    assetHandleArray: shared.assets.slice(0, 1), fmt: "orig", jobName: "Nightly", execSchedule: "0 30 2 ? * MON-FRI", timeZone: "Europe/Amsterdam", overlap: "allow",
  });
  await page.goto(`${url}/console/schedules`);
  const row = page.locator(`#schedule-${scheduleHandle}`);
  assert((await row.innerText()).includes("every weekday at 02:30"), "when it runs is in words");
  await row.getByRole("button", { name: /^Pause/ }).click();
  assert((await row.innerText()).includes("Paused"), "paused");
  await row.getByRole("button", { name: /^Resume/ }).click();
  await row.getByRole("button", { name: /^Run now/ }).click();
  await page.waitForURL(`${url}/console/jobs/*`);
  assert((await page.locator("#message").innerText()).includes("A job of the schedule was started."), "run now leads to the job");
  // When the job has ended its page loads itself again, which would cut off the way to another one.
  await page.waitForFunction(() => !document.querySelector("#job[data-progress]"));
  await page.goto(`${url}/console/schedules`);
  shared.scheduleShown = true;
}

export const steps = [
  ["create and revoke a key", useKeys],
  ["pause, resume and run a schedule", useSchedules],
];

export const pages = () => [
  ["/console/schedules", ""],
  ["/console/usage", ""],
  ["/console/connections", ""],
  ["/console/keys", ""],
  ["/console/users", ""],
  ["/console/system", "system"],
];
