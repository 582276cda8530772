// Types by openapi-typescript, calls by openapi-fetch. openapi_fetch.js URL [KEY]
import createClient from "openapi-fetch";
import type { paths } from "./generated/schema";
import { key, run, url } from "./scenario";

const client = createClient<paths>({ baseUrl: url, headers: key ? { Authorization: `Bearer ${key}` } : {} });

/** The data of an answer, or an error with the problem. */
function unwrap<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

await run("openapi-typescript and openapi-fetch", {
  async upload(files) {
    const result = await client.POST("/assets", {
      // The document's type of a file is `string`; the form is written here.
      body: { file: files as unknown as string[] },
      bodySerializer() {
        const form = new FormData();
        for (const file of files) form.append("file", file);
        return form;
      },
    });
    return unwrap(result).assets.map((asset) => asset.assetHandle);
  },
  async move(asset, folder) {
    unwrap(await client.PATCH("/assets/{assetHandle}", { params: { path: { assetHandle: asset } }, body: { folder } }));
  },
  async createJob(assets, modifier) {
    const body = { assetHandleArray: assets, fmt: "convert" as const, is_modifier: modifier, layout: "folders" as const };
    return unwrap(await client.POST("/export-jobs", { body })).jobHandle;
  },
  async wait(job) {
    for (;;) {
      const params = { path: { jobHandle: job }, query: { wait: 20 } };
      const shown = unwrap(await client.GET("/export-jobs/{jobHandle}", { params }));
      if (shown.state === "finished") return String(shown.outcome);
    }
  },
  async listFiles(job) {
    const page = unwrap(await client.GET("/export-jobs/{jobHandle}/files", { params: { path: { jobHandle: job } } }));
    return page.items.map((file) => ({ path: file.path, size: file.size!, sha256: file.sha256! }));
  },
  async fetchFile(job, path) {
    const params = { path: { jobHandle: job, path } };
    const data = await client.GET("/export-jobs/{jobHandle}/files/{path}", { params, parseAs: "arrayBuffer" });
    return new Uint8Array(unwrap(data));
  },
  async fetchArchive(job, range, ifRange) {
    const params = { path: { jobHandle: job }, header: { Range: range, "If-Range": ifRange } };
    const result = await client.GET("/export-jobs/{jobHandle}/archive", { params, parseAs: "arrayBuffer" });
    return [new Uint8Array(unwrap(result)), result.response.headers.get("etag")!];
  },
  async readManifest(job) {
    const result = await client.GET("/export-jobs/{jobHandle}/manifest", { params: { path: { jobHandle: job } } });
    const manifest = unwrap(result);
    if (typeof manifest === "string") throw new Error("the manifest is CSV");
    return manifest.items.map((line) => line.path!);
  },
  async askForUnknownJob(job) {
    const { error } = await client.GET("/export-jobs/{jobHandle}", { params: { path: { jobHandle: job } } });
    return error!.code;
  },
});
