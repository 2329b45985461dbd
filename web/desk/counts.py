"""What the sweeps have counted, by channel, and what to do about what they could not explain."""

from collections.abc import Mapping

from domain.completeness import Finding, Repair
from domain.model import Frozen
from store.certificates import Certificate, Certificates
from store.database import Database
from store.rhythms import ChannelSilence, Rhythms


class ChannelCertificate(Frozen):
    """What is known of one channel: the last sweep's certificates, and how silent its webhooks are."""

    channel: str
    certificates: tuple[Certificate, ...]
    silence: ChannelSilence | None

    @property
    def unexplained(self) -> int:
        """Differences that nobody can explain, over all flows."""
        return sum(certificate.tally.unexplained for certificate in self.certificates)


def counted(database: Database, sweeps: Mapping[str, str | None]) -> list[ChannelCertificate]:
    """What is known of these channels; by channel a sweep, or None for its last one. Raises DatabaseUnavailable."""
    certificates, rhythms = Certificates(database), Rhythms(database)
    return [
        ChannelCertificate(
            channel=channel,
            certificates=certificates.of_sweep(sweep) if sweep else certificates.latest(channel),
            silence=rhythms.silence(channel),
        )
        for channel, sweep in sweeps.items()
    ]


def what_to_do(finding: Finding) -> str:
    """What a person has to do about an order that was named."""
    match finding.repair:
        case Repair.START:
            return "nothing: its workflow was started or woken"
        case Repair.TELL:
            return "nothing: it was told what the ERP holds"
        case _:
            return finding.remedy
