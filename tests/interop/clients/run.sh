#!/bin/sh
# Generates clients from the service's OpenAPI document and runs the main job with each: upload, create a job, wait,
# download files and the archive, resume a download. run.sh URL WORK_FOLDER [KEY]; script/interop calls it.
#
# openapi-generator (python, typescript-fetch, go, java) and openapi-python-client come from PyPI, @hey-api/openapi-ts,
# openapi-typescript and openapi-fetch from npm. The libraries of the Java client are those in openapi-generator's own
# archive and in Debian's libhttpmime-java; the Go client needs the standard library only.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
url=$1 work=$2/clients key=${3:-}
mkdir -p "$work"
cd "$work"
say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# logged NAME COMMAND...: the output goes to NAME.log, which is shown when the command fails.
logged() {
    name=$1
    shift
    "$@" >"$name.log" 2>&1 </dev/null || { tail -n 20 "$name.log" >&2; die "$name failed. See $work/$name.log."; }
}

for program in java javac; do
    command -v $program >/dev/null || die "$program is needed; as root: apt-get install openjdk-17-jdk-headless"
done
command -v go >/dev/null || die "go is needed; as root: apt-get install golang-go"
if ! venv/bin/python -c "import openapi_generator_cli, openapi_python_client, pydantic, dateutil" 2>/dev/null; then
    say "Fetching openapi-generator and openapi-python-client into $work ..."
    python3 -m venv venv
    logged pip venv/bin/pip install openapi-generator-cli openapi-python-client \
        pydantic urllib3 python-dateutil typing-extensions attrs httpx
fi
if [ ! -d node_modules/esbuild ]; then
    say "Fetching @hey-api/openapi-ts, openapi-typescript and openapi-fetch into $work ..."
    # openapi-typescript does not run with TypeScript 7.
    logged npm npm install --prefix "$work" --no-audit --no-fund \
        @hey-api/openapi-ts openapi-typescript openapi-fetch typescript@5 @types/node@20 esbuild
fi

document=$work/openapi.json
curl --fail --silent --compressed "$url/openapi.json" --output "$document"
# The document's servers are relative to its address.
covered() { venv/bin/python "$here/check_coverage.py" "$document" "$@"; }

rm -rf python java go typescript offprint_attrs
say "Python: openapi-generator, openapi-python-client ..."
logged generate-python venv/bin/openapi-generator-cli generate -i "$document" -g python -o python --package-name offprint_client
covered generate-python.log python/offprint_client/api
logged generate-attrs venv/bin/openapi-python-client generate --path "$document" --meta none --overwrite \
    --config "$here/openapi_python_client.yaml" --output-path offprint_attrs
covered generate-attrs.log offprint_attrs/api
for program in openapi_generator_python openapi_python_client; do
    PYTHONPATH=$work/python:$work venv/bin/python "$here/$program.py" "$url" $key
done

say "TypeScript: openapi-generator, hey-api, openapi-fetch ..."
mkdir -p typescript/generated
cp "$here"/*.ts "$here/tsconfig.json" typescript
logged generate-fetch venv/bin/openapi-generator-cli generate -i "$document" -g typescript-fetch -o typescript/generated/typescript-fetch
covered generate-fetch.log typescript/generated/typescript-fetch/apis
logged generate-heyapi node_modules/.bin/openapi-ts -i "$document" -o typescript/generated/heyapi -c @hey-api/client-fetch
covered generate-heyapi.log typescript/generated/heyapi/sdk.gen.ts
logged generate-schema node_modules/.bin/openapi-typescript "$document" -o typescript/generated/schema.d.ts
covered generate-schema.log typescript/generated/schema.d.ts
# The types must fit, too: a client whose answers are `unknown` is none.
logged tsc node_modules/.bin/tsc -p typescript
for program in heyapi openapi_fetch typescript_fetch; do
    node_modules/.bin/esbuild "typescript/$program.ts" --bundle --platform=node --format=esm --log-level=error \
        --outfile="typescript/$program.mjs"
    node "typescript/$program.mjs" "$url" $key
done

say "Go: openapi-generator ..."
logged generate-go venv/bin/openapi-generator-cli generate -i "$document" -g go -o go \
    --additional-properties=packageName=offprint,enumClassPrefix=true,withGoMod=false
covered generate-go.log go
# Its tests need a library, and there is nothing in them.
rm -rf go/test
mkdir go/main_job
cp "$here/main_job.go" go/main_job
printf 'module offprint\n\ngo 1.19\n' >go/go.mod
export GOCACHE="$work/go-cache" GOFLAGS=-mod=mod GOPROXY=off
logged go-build sh -c 'cd go && go build -o main_job/run ./main_job'
go/main_job/run "$url" $key

say "Java: openapi-generator ..."
logged generate-java venv/bin/openapi-generator-cli generate -i "$document" -g java -o java --library native \
    --additional-properties=openApiNullable=false,useJakartaEe=true,annotationLibrary=none,documentationProvider=none,invokerPackage=offprint.client,apiPackage=offprint.client.api,modelPackage=offprint.client.model
covered generate-java.log java/src/main/java/offprint/client/api
jar=$(find venv/ -name openapi-generator.jar)
libraries=$work/$jar:/usr/share/java/httpmime.jar:/usr/share/java/httpclient.jar:/usr/share/java/httpcore.jar:/usr/share/java/commons-logging.jar:/usr/share/java/jakarta-annotation-api.jar
if [ -e /usr/share/java/httpmime.jar ] && [ -e /usr/share/java/jakarta-annotation-api.jar ]; then
    find java/src/main/java "$here/MainJob.java" -name '*.java' >java/sources
    logged javac javac -nowarn -d java/classes -cp "$libraries" @java/sources
    java -cp "java/classes:$libraries" MainJob "$url" $key
else
    die "The libraries of the Java client are needed; as root: apt-get install libhttpmime-java libjakarta-annotation-api-java"
fi
