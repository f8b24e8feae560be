"""Create a patcher from the options: Copa, BuildKit, and the scans before and after."""

from __future__ import annotations

import platform
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.layers.comparison import ImageComparison, compare_images
from s3c_actions.layers.kept_layers import LayerStore
from s3c_actions.options.common import PlatformOptions
from s3c_actions.options.patch import PatchingOptions
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.buildkit.buildkit import TlsFiles
from s3c_actions.programs.buildkit.pool import Pool
from s3c_actions.programs.copa.copa import Copa, PatchRequest
from s3c_actions.registry import RepositorySource, Writer, credentials
from s3c_actions.result.model import PatchResult, ScanResult
from s3c_actions.steps import patch
from s3c_actions.steps.unexpected_changes import IGNORE, WARN, describe
from s3c_actions.wiring import programs
from s3c_actions.wiring.cache_stores import open_store
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.logins import create_logins
from s3c_actions.wiring.smoking import Comparison, create_comparison

if TYPE_CHECKING:
    from s3c_actions.programs.buildkit.buildkit import BuildKit
    from s3c_actions.wiring.scanning import ImageScanner
    from s3c_actions.wiring.vouching import VouchCheck

VEX_FILE = "fixed.openvex.json"
PATCHED_FOLDER = "patched"
"""Folder of the rescan's reports, in the image's own."""


def reject_platform(options: PlatformOptions) -> None:
    """Raise InputError when one platform is asked for."""
    if options.platform:
        raise InputError(
            "platform",
            "every platform of an image is patched, so that none is left behind under the new tag.",
            remedy="Leave it out, or give the digest of the one platform's image.",
        )


def check_system(options: PatchingOptions, context: Context) -> None:
    """Raise OutsideError on macOS, where no BuildKit runs, unless the address of one elsewhere is given."""
    given = options.buildkit_addr != (buildkit.AUTO,) or context.environment.get("BUILDKIT_HOST")
    if platform.system() == "Darwin" and not given:
        raise OutsideError(
            "s3c does not patch on macOS.",
            cause="BuildKit, which builds the patched image, runs on Linux only.",
            remedy="Patch in a job on Linux; scanning, signing, verifying and deploying work here, and so does "
            "the chain with `patch` set to false. Or give `buildkit-addr` the address of a BuildKit on Linux.",
        )


class ImagePatcher(msgspec.Struct, frozen=True, kw_only=True):
    """Patch images; everything but the image is bound once for all images of a run.

    Attributes:
        registries: of the images.
        vouched: as in `PatchTools`; None only where nothing signs the result.
        pool: where several BuildKits are given.
        smoke: as in `PatchTools`.
    """

    options: PatchingOptions
    context: Context
    scanner: ImageScanner
    registries: Collection[str]
    vouched: VouchCheck | None
    login: Callable[[], Mapping[str, str]]
    stack: ExitStack
    buildkits: list[BuildKit] = msgspec.field(default_factory=list)
    pool: Pool | None = None
    smoke: Comparison | None = None
    opening: threading.Lock = msgspec.field(default_factory=threading.Lock)
    comparing: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def patch(self, image: str, folder: Path, before: ScanResult | None = None) -> PatchResult:
        """Patch one image, with its reports in a folder and the rescan's in `patched` below it.

        Args:
            image: as given.
            folder: for reports and the OpenVEX document.
            before: the scan of the original; scanned here when not given.

        Raises:
            S3CError: as `steps.patch.run`.
        """
        options, context = self.options, self.context
        settings = patch.PatchSettings(
            image=image,
            tag=options.patched_tag,
            overwrite=options.overwrite_tag,
            allow_partial=options.allow_partial,
            library="library" in options.patch_types,
            vex=folder / VEX_FILE,
            temp=context.temp,
        )
        every_platform = replace(self.scanner.settings.options, platform="")
        scanner = replace(self.scanner, settings=replace(self.scanner.settings, options=every_platform))
        rescanner = replace(scanner, settings=replace(scanner.settings, title="rescan"))
        tools = patch.PatchTools(
            registry=self.scanner.registry,
            writer=Writer(self.scanner.registry),
            vouched=self.vouched,
            scan=lambda pinned, name: scanner.scan(pinned, folder / name),
            rescan=lambda pinned, name: rescanner.scan(pinned, folder / PATCHED_FOLDER / name),
            patch=self.copa,
            builds=lambda platform: buildkit.can_run_platform(platform, context.environment.get("PATH", "")),
            host=buildkit.host_architecture(),
            progress=context.progress,
            now=context.now,
            compare=self.compare if options.unexpected_changes != IGNORE else None,
            smoke=self.smoke,
        )
        result = patch.run(settings, tools, before)
        return result if result.skipped else replace(result, programs=self._programs())

    def _programs(self) -> dict[str, str]:
        """Return name → version of what made a patch, for its provenance."""
        copa = programs.copa(self.options, self.context)
        return {"s3c": __version__, "copa": copa.version, "trivy": self.scanner.trivy.version}

    def compare(self, original: Reference, patched: Reference) -> ImageComparison:
        """Compare a patched image with its original, one after another: each takes memory for all of its files."""
        registry, progress = self.scanner.registry, self.context.progress
        before, after = (
            RepositorySource(registry, image.at(image.digest), field="image") for image in (original, patched)
        )
        with self.comparing, progress.step("compare") as step:
            try:
                changes = compare_images(before, after, open_store(LayerStore, self.context))
            except S3CError as error:
                # The patch is made, and stays what it is; a gate that asks for the comparison finds it missing.
                changes = ImageComparison(
                    before=original.pinned, after=patched.pinned, platforms=(), unread=(error.what.rstrip("."),)
                )
            step.done(changes.sentence)
        if changes.unexpected and self.options.unexpected_changes == WARN:
            progress.warning(f"{patched.pinned}: {describe(changes)}")
        return changes

    def copa(self, image: Reference, report: Path, tag: str) -> str:
        """Run Copa, on a BuildKit that is found or started at the first image that needs one; as `Patcher`."""
        options, context = self.options, self.context
        program = programs.copa(options, context)
        if self.pool is not None:
            return self.pool.build(
                self._base(image), lambda address: self._copa(program.path, address, image, report, tag)
            )
        with self.opening:
            if not self.buildkits:
                self.buildkits.append(self._open_buildkit())
        return self._copa(program.path, self.buildkits[0].address, image, report, tag)

    def _base(self, image: Reference) -> str:
        """Return the digest of an image's lowest layer; of an index, that of its first image."""
        registry = self.scanner.registry
        manifest = registry.manifest(image)
        if manifest.descriptor.images:
            manifest = registry.manifest(image.at(manifest.descriptor.images[0].digest))
        return next((str(layer["digest"]) for layer in manifest.document.get("layers", ())), image.name)

    def _copa(self, program: Path, address: str, image: Reference, report: Path, tag: str) -> str:
        options, context = self.options, self.context
        copa = Copa(program, context.runner)
        with tempfile.TemporaryDirectory(prefix="s3c-copa-", dir=context.temp) as folder:
            patch = PatchRequest(
                image=image,
                report=report,
                tag=tag,
                vex=Path(folder) / "copa.openvex.json",
                address=address,
                tls=_tls_files(options),
                library="library" in options.patch_types,
                ignore_errors=options.allow_partial,
                timeout=options.timeout,
            )
            with context.limits.patches:
                return copa.patch(patch, docker_config=self.login(), on_line=context.progress.note)

    def _open_buildkit(self) -> BuildKit:
        options, context = self.options, self.context
        request = buildkit.BuildKitRequest(
            address=options.buildkit_addr[0],
            tls=_tls_files(options),
            config=options.buildkit_config,
            insecure=tuple(sorted(self.registries)) if options.insecure_registry else (),
            registries=tuple(sorted(self.registries)),
            mirror=options.programs_mirror,
            temp=context.temp,
        )
        if request.config is not None and not request.config.is_file():
            raise InputError("buildkit-config", f"{str(request.config)!r} is not a file.", remedy="Look at the path.")
        return self.stack.enter_context(
            buildkit.open_buildkit(
                request, context.runner, context.progress, lambda: programs.buildkitd(options, context).path
            )
        )


@contextmanager
def open_patcher(
    options: PatchingOptions,
    context: Context,
    scanner: ImageScanner,
    images: tuple[str, ...],
    vouched: VouchCheck | None,
) -> Iterator[ImagePatcher]:
    """Open the patcher that the inputs describe; a BuildKit that it started is stopped when the context ends.

    Args:
        options: of the command.
        context: of the run.
        scanner: scans what is patched.
        images: references, whose registries the credentials given are for; they are sent to no other.
        vouched: whether a signature that the run trusts covers an earlier patch. None when the run does not sign the
            result and names no signer to trust: an earlier patch is then reused by its content.

    Raises:
        InputError: an input is wrong.
    """
    programs.copa(options, context)  # what is wrong with the inputs about it is wrong before the first image
    hosts = {Reference.parse(image).registry for image in images}
    login = credentials.open_program_login(create_logins(options, context, hosts), hosts, context.temp)
    several = len(options.buildkit_addr) > 1
    pool = Pool(options.buildkit_addr, _tls_files(options), context.runner, context.progress) if several else None
    with ExitStack() as stack:
        yield ImagePatcher(
            options=options,
            context=context,
            scanner=scanner,
            registries=hosts,
            vouched=vouched,
            login=login,
            stack=stack,
            pool=pool,
            smoke=create_comparison(options, context, scanner.registry, programs_mirror=options.programs_mirror),
        )


def _tls_files(options: PatchingOptions) -> TlsFiles:
    tls = TlsFiles(ca=options.buildkit_ca, certificate=options.buildkit_certificate, key=options.buildkit_key)
    for name, path in (("buildkit-ca", tls.ca), ("buildkit-certificate", tls.certificate), ("buildkit-key", tls.key)):
        if path is not None and not path.is_file():
            raise InputError(name, f"{str(path)!r} is not a file.", remedy="Look at the path.")
    return tls
