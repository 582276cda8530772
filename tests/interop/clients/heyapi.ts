// The client that @hey-api/openapi-ts writes. heyapi.js URL [KEY]
import { client } from "./generated/heyapi/client.gen";
import * as sdk from "./generated/heyapi/sdk.gen";
import { key, run, url } from "./scenario";

client.setConfig({ baseUrl: url, auth: key, throwOnError: true });

const readBytes = async (blob: Blob | File) => new Uint8Array(await blob.arrayBuffer());

await run("@hey-api/openapi-ts", {
  async upload(files) {
    const { data } = await sdk.uploadAssets({ body: { file: files }, throwOnError: true });
    return data.assets.map((asset) => asset.assetHandle);
  },
  async move(asset, folder) {
    await sdk.changeAsset({ path: { assetHandle: asset }, body: { folder }, throwOnError: true });
  },
  async createJob(assets, modifier) {
    const body = { assetHandleArray: assets, fmt: "convert", is_modifier: modifier, layout: "folders" } as const;
    const { data } = await sdk.createExportJob({ body: { ...body, assetHandleArray: assets }, throwOnError: true });
    return data.jobHandle;
  },
  async wait(job) {
    for (;;) {
      const { data } = await sdk.showExportJob({ path: { jobHandle: job }, query: { wait: 20 }, throwOnError: true });
      if (data.state === "finished") return String(data.outcome);
    }
  },
  async listFiles(job) {
    const { data } = await sdk.listExportFiles({ path: { jobHandle: job }, throwOnError: true });
    return data.items.map((file) => ({ path: file.path, size: file.size!, sha256: file.sha256! }));
  },
  async fetchFile(job, path) {
    const { data } = await sdk.fetchExportFile({ path: { jobHandle: job, path }, parseAs: "blob", throwOnError: true });
    return readBytes(data);
  },
  async fetchArchive(job, range, ifRange) {
    const headers = { Range: range, "If-Range": ifRange };
    const { data, response } = await sdk.fetchExportArchive({ path: { jobHandle: job }, headers, throwOnError: true });
    return [await readBytes(data), response.headers.get("etag")!];
  },
  async readManifest(job) {
    const { data } = await sdk.fetchExportManifest({ path: { jobHandle: job }, throwOnError: true });
    if (typeof data === "string") throw new Error("the manifest is CSV");
    return data.items.map((line) => line.path!);
  },
  async askForUnknownJob(job) {
    const { error } = await sdk.showExportJob({ path: { jobHandle: job }, throwOnError: false });
    return error!.code;
  },
});
