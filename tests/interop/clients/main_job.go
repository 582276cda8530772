// The client that openapi-generator writes for Go. main_job URL [KEY]
// The same scenario as scenario.py.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"sort"
	"strings"

	"offprint"
)

func check(condition bool, what string, values ...interface{}) {
	if !condition {
		fmt.Fprintln(os.Stderr, append([]interface{}{"WRONG:", what}, values...)...)
		os.Exit(1)
	}
}

func drawImage(seed int) *os.File {
	picture := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for y := 0; y < 30; y++ {
		for x := 0; x < 40; x++ {
			picture.Set(x, y, color.RGBA{uint8(x * seed * 7), uint8(y * 3), uint8(x * y), 255})
		}
	}
	file, err := os.CreateTemp("", fmt.Sprintf("go-%d-*.png", seed))
	check(err == nil, "a file can be created", err)
	check(png.Encode(file, picture) == nil, "an image can be written")
	_, err = file.Seek(0, io.SeekStart)
	check(err == nil, "a file can be read", err)
	return file
}

func readFile(file *os.File, err error) []byte {
	check(err == nil, "a download has no error", err)
	defer os.Remove(file.Name())
	defer file.Close()
	data, err := io.ReadAll(file)
	check(err == nil, "a download can be read", err)
	return data
}

func main() {
	configuration := offprint.NewConfiguration()
	configuration.Servers = offprint.ServerConfigurations{{URL: os.Args[1]}}
	client := offprint.NewAPIClient(configuration)
	ctx := context.Background()
	if len(os.Args) > 2 {
		ctx = context.WithValue(ctx, offprint.ContextAccessToken, os.Args[2])
	}

	images := []*os.File{drawImage(1), drawImage(2), drawImage(3)}
	uploaded, _, err := client.AssetsAPI.UploadAssets(ctx).File(images).Execute()
	check(err == nil && len(uploaded.Assets) == 3, "three assets were uploaded", err)
	handles := []string{}
	for index, asset := range uploaded.Assets {
		handles = append(handles, asset.AssetHandle)
		os.Remove(images[index].Name())
	}
	change := offprint.NewChangeAsset()
	change.SetFolder("spring/shoes")
	_, _, err = client.AssetsAPI.ChangeAsset(ctx, handles[1]).ChangeAsset(*change).Execute()
	check(err == nil, "an asset can be moved", err)

	request := offprint.NewExportRequest(offprint.FMT_CONVERT)
	request.SetAssetHandleArray(handles)
	request.SetIsModifier("wid=20&fmt=png")
	request.SetLayout(offprint.LAYOUT_FOLDERS)
	job, _, err := client.ExportJobsAPI.CreateExportJob(ctx).ExportRequest(*request).Execute()
	check(err == nil, "a job can be created", err)
	for job.State != offprint.SHOWNSTATE_FINISHED {
		job, _, err = client.ExportJobsAPI.ShowExportJob(ctx, job.JobHandle).Wait(20).Execute()
		check(err == nil, "a job can be watched", err)
	}
	check(job.GetOutcome() == offprint.OUTCOME_SUCCEEDED, "the job succeeds", job.GetOutcome())

	files, _, err := client.DownloadsAPI.ListExportFiles(ctx, job.JobHandle).Execute()
	check(err == nil && len(files.Items) == 3, "three files", err)
	paths, inFolder := []string{}, false
	for _, file := range files.Items {
		fetched, _, err := client.DownloadsAPI.FetchExportFile(ctx, job.JobHandle, file.Path).Execute()
		data := readFile(fetched, err)
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		check(int64(len(data)) == file.GetSize() && sum == file.GetSha256(), "the listed bytes", file.Path)
		paths = append(paths, file.Path)
		inFolder = inFolder || strings.Contains(file.Path, "/")
	}
	check(inFolder, "one file is in a folder", paths)
	sort.Strings(paths)

	archive := client.DownloadsAPI.FetchExportArchive(ctx, job.JobHandle)
	fetched, response, err := archive.Execute()
	whole := readFile(fetched, err)
	fetched, _, err = archive.Range_("bytes=0-999").Execute()
	first := readFile(fetched, err)
	fetched, _, err = archive.Range_("bytes=1000-").IfRange(response.Header.Get("ETag")).Execute()
	rest := readFile(fetched, err)
	check(len(first) == 1000 && bytes.Equal(append(first, rest...), whole), "the archive in two parts is the one in one piece")
	entries, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	check(err == nil, "the archive can be read", err)
	names := map[string]bool{}
	for _, entry := range entries.File {
		names[entry.Name] = true
	}
	for _, path := range paths {
		check(names[path], "the archive has all files", path)
	}
	manifest, _, err := client.DownloadsAPI.FetchExportManifest(ctx, job.JobHandle).Execute()
	check(err == nil, "the manifest can be read", err)
	listed := []string{}
	for _, line := range manifest.Items {
		listed = append(listed, line.GetPath())
	}
	sort.Strings(listed)
	check(strings.Join(listed, "\n") == strings.Join(paths, "\n"), "the manifest lists all files", listed)

	_, _, err = client.ExportJobsAPI.ShowExportJob(ctx, "00000000-0000-7000-8000-00000000dead").Execute()
	var problem *offprint.GenericOpenAPIError
	check(errors.As(err, &problem) && strings.Contains(string(problem.Body()), `"not-found"`), "an error has its code", err)
	fmt.Println("openapi-generator go: uploaded, created, waited, fetched 3 files and the archive, resumed")
}
