using System.Collections.Immutable;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;

namespace Fairlead.Node;

/// <summary>What stands on disk of the serials. IsLast: the node has stopped and served no later ones.</summary>
public sealed record KeptSerials(bool IsLast, ImmutableArray<KeptSerial> Zones);

public sealed record KeptSerial(string Zone, uint OperatorSerial, uint Serial, string Fingerprint);

/// <summary>
/// Keeps the serials of steered and signed zones in the state folder. The disk is written after a version is served,
/// because a plan waits for no disk; so a node that was killed may have served later ones, and then goes far ahead.
/// </summary>
internal sealed class ServedSerials
{
    /// <summary>More versions than a disk can be behind by.</summary>
    public const uint Leap = 100;

    private readonly StateFile<KeptSerials> file;
    private readonly Lock gate = new();
    private object written;

    /// <summary>IOException or UnauthorizedAccessException when the disk does not take that they are in use.</summary>
    public ServedSerials(string folder)
    {
        file = new StateFile<KeptSerials>(folder, "served-serials");
        KeptSerials kept = file.Read(out bool isNewest) ?? new KeptSerials(true, []);
        Keeper = new SerialKeeper(
            kept.Zones.Select(zone => new ServedSerial(
                DnsName.Parse(zone.Zone), zone.OperatorSerial, zone.Serial, zone.Fingerprint)),
            isNewest && kept.IsLast ? 0 : Leap);
        file.Write(kept with { IsLast = false });
        written = Keeper.Served;
    }

    public SerialKeeper Keeper { get; }

    /// <summary>Writes what is new; why the disk did not take it, or null.</summary>
    public string? Save(bool isLast = false)
    {
        lock (gate)
        {
            IReadOnlyDictionary<DnsName, ServedSerial> served = Keeper.Served;
            if (ReferenceEquals(served, written) && !isLast) return null;
            try
            {
                file.Write(new KeptSerials(isLast,
                [
                    .. served.Values.OrderBy(one => one.Origin.ToString(), StringComparer.Ordinal)
                        .Select(one => new KeptSerial(
                            one.Origin.ToString(), one.OperatorSerial, one.Serial, one.Fingerprint)),
                ]));
                written = served;
                return null;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                return fault.Message;
            }
        }
    }
}
