using System.Net;
using Fairlead.Dns.Wire;

namespace Fairlead.Fleet.Spec;

/// <summary>What must hold among TSIG keys, transfers and secondary zones.</summary>
internal static class TransferRules
{
    public static IEnumerable<(string Path, string Message)> Broken(FleetSpec fleet) =>
        Keys(fleet).Concat(Transfers(fleet)).Concat(Notify(fleet)).Concat(Secondaries(fleet));

    private static IEnumerable<(string Path, string Message)> Keys(FleetSpec fleet)
    {
        var seen = new Dictionary<DnsName, string>();
        foreach (TsigKeySpec key in fleet.Dns.Keys)
        {
            string at = $"dns.keys.{key.Name}";
            if (!seen.TryAdd(key.KeyName, key.Name))
                yield return (at, $"key {key.KeyName} is there already, as \"{seen[key.KeyName]}\"");
            if (key.Secret is null == key.SecretFile is null)
                yield return (at, "expected one of the keys \"secret\" and \"secretFile\"");
            if (key.Secret is { } secret && !TsigSecret.IsBase64(secret))
                yield return ($"{at}.secret",
                    "expected the secret in base64, found something else (it is not shown here)");
        }
    }

    private static IEnumerable<(string Path, string Message)> Transfers(FleetSpec fleet)
    {
        for (int i = 0; i < fleet.Dns.Transfer.Length; i++)
        {
            TransferSpec rule = fleet.Dns.Transfer[i];
            string at = $"dns.transfer[{i}]";
            if (rule.From.IsEmpty && rule.Keys.IsEmpty)
                yield return (at, "expected \"from\", \"keys\" or both: else anybody could take the zone");
            for (int k = 0; k < rule.Keys.Length; k++)
            {
                if (UnknownKey(fleet, rule.Keys[k]) is { } fault) yield return ($"{at}.keys[{k}]", fault);
            }
        }
    }

    private static IEnumerable<(string Path, string Message)> Notify(FleetSpec fleet)
    {
        for (int i = 0; i < fleet.Dns.Notify.Length; i++)
        {
            NotifySpec told = fleet.Dns.Notify[i];
            string at = $"dns.notify[{i}]";
            if (UnknownKey(fleet, told.Key) is { } fault) yield return ($"{at}.key", fault);
            if (OtherFamily(told.To, told.Source) is { } other) yield return ($"{at}.source", other);
            if (!fleet.Dns.Transfer.Any(rule => rule.Zone is null || told.Zone is null || rule.Zone == told.Zone))
                yield return (at, "who is told must be able to come: no rule of \"dns.transfer\" lets anybody take "
                    + (told.Zone is null ? "a zone" : told.Zone.ToString()));
        }
    }

    private static IEnumerable<(string Path, string Message)> Secondaries(FleetSpec fleet)
    {
        foreach (ZoneSpec zone in fleet.Zones.Where(zone => zone.IsSecondary))
        {
            string at = $"zones.{zone.Origin}";
            if (zone.File is not null)
                yield return ($"{at}.file", "\"file\" and \"primaries\" exclude each other: a secondary zone comes "
                    + "from its primary");
            if (!zone.Steer.IsEmpty)
                yield return ($"{at}.steer", "names of a secondary zone cannot be steered: what they are is its "
                    + "primary's to say; steer them in a zone of your own below it");
            for (int i = 0; i < zone.Primaries.Length; i++)
            {
                PrimarySpec primary = zone.Primaries[i];
                if (UnknownKey(fleet, primary.Key) is { } fault) yield return ($"{at}.primaries[{i}].key", fault);
                if (OtherFamily(primary.Address, primary.Source) is { } other)
                    yield return ($"{at}.primaries[{i}].source", other);
            }
        }
    }

    private static string? UnknownKey(FleetSpec fleet, DnsName? key)
    {
        if (key is null || fleet.Dns.Keys.Any(known => known.KeyName == key)) return null;
        return $"unknown key \"{key}\"{NearestName.Hint(key.ToString(), fleet.Dns.Keys.Select(known => known.Name))}"
            + (fleet.Dns.Keys.IsEmpty ? ": \"dns.keys\" has none" : "");
    }

    private static string? OtherFamily(IPEndPoint to, IPAddress? source) =>
        source is not null && source.AddressFamily != to.AddressFamily
            ? $"{source} cannot reach {to}: they are of different families"
            : null;
}
