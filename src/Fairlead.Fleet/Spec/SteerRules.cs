using System.Collections.Immutable;

namespace Fairlead.Fleet.Spec;

/// <summary>What must hold among steered names, their policies and the maps.</summary>
internal static class SteerRules
{
    public static IEnumerable<(string Path, string Message)> Broken(FleetSpec fleet)
    {
        foreach (MapSpec map in fleet.Geo.Maps)
        {
            foreach ((string path, ImmutableArray<string> pops) in map.Lists())
            {
                IEnumerable<string> named = path == "pops" ? pops : pops.Where(pop => pop != MapSpec.Nearest);
                foreach ((string, string) fault in Pops(fleet, $"geo.maps.{map.Name}.{path}",
                    named)) yield return fault;
            }
        }

        foreach (ZoneSpec zone in fleet.Zones)
        {
            if (zone.File is null && fleet.ZoneFolder is null && !zone.IsSecondary)
                yield return ($"zones.{zone.Origin}",
                    "expected the key \"file\": the master file (or \"primaries\", or \"zones.dir\")");
            foreach (SteerSpec steer in zone.Steer)
            {
                string at = $"zones.{zone.Origin}.steer.{steer.Name}";
                foreach ((string, string) fault in Name(fleet, at, steer).Concat(Policy(fleet, at, steer)))
                    yield return fault;
            }
        }
    }

    private static IEnumerable<(string Path, string Message)> Name(FleetSpec fleet, string at, SteerSpec steer)
    {
        if (steer.Ttl.Min > steer.Ttl.Max) yield return ($"{at}.ttl", "min must not be longer than max");
        int ways = (steer.Service.Length > 0 ? 1 : 0) + (steer.Alias is not null ? 1 : 0) + (steer.Reflect ? 1 : 0);
        if (ways != 1)
        {
            yield return (at, "expected one of the keys \"service\", \"alias\" and \"reflect\"");
            yield break;
        }

        if (steer.Service.Length == 0) yield break;
        ServiceSpec? service = fleet.Service(steer.Service);
        if (service is null)
            yield return ($"{at}.service", $"unknown service \"{steer.Service}\""
                + NearestName.Hint(steer.Service, fleet.Services.Select(s => s.Name)));
        bool answersVips = steer.Answer is SteerAnswer.Regional or SteerAnswer.Anycast;
        if (answersVips && service is not null && !fleet.AnycastVips(service).Any())
            yield return (at,
                "its answers are VIPs: they need \"anycast.cover\" and the service's \"host\", or its \"vips\"; "
                    + "else \"answer: backends\"");
        if (steer.Answer == SteerAnswer.Backends && service is { OnNodes: true })
            yield return (at, $"\"answer: backends\" needs a service with backends; {service.Name} is on the nodes");
        if (steer.Answer == SteerAnswer.Cname && steer.Name == "@")
            yield return (at, "a CNAME cannot stand at the apex, beside SOA and NS (RFC 1034 §3.6.2); "
                + "\"alias\" answers with another name's addresses");
        if (steer.Answer == SteerAnswer.Cname != !steer.Cname.IsEmpty)
            yield return (at, "\"answer: cname\" and the key \"cname\" go together");
        foreach ((string, string) fault in Pops(fleet, $"{at}.cname", steer.Cname.Keys)) yield return fault;
    }

    private static IEnumerable<(string Path, string Message)> Policy(FleetSpec fleet, string at, SteerSpec steer)
    {
        bool choices = false;
        for (int i = 0; i < steer.Policy.Length; i++)
        {
            PolicyStep step = steer.Policy[i];
            string path = $"{at}.policy[{i}]";
            if (steer.Policy.Take(i).Any(other => other.Word == step.Word))
                yield return (path, $"\"{step.Word}\" stands here twice");
            if (choices && !step.IsChoice)
                yield return (path, $"\"{step.Word}\" filters or orders: it must stand before the choices "
                    + "(shed, spread, weighted, multi)");
            choices |= step.IsChoice;
            IEnumerable<string> named = step switch
            {
                PolicyStep.Failover failover => failover.Pops,
                PolicyStep.Weighted weighted => weighted.Weights.Keys,
                PolicyStep.Shed shed => shed.Permille.Keys,
                _ => [],
            };
            foreach ((string, string) fault in Pops(fleet, path, named)) yield return fault;
            if (step is PolicyStep.Map map && fleet.Geo.MapNamed(map.Name) is null)
                yield return (path, $"unknown map \"{map.Name}\""
                    + NearestName.Hint(map.Name, fleet.Geo.Maps.Select(one => one.Name)));
            if (step is PolicyStep.Weighted { Weights: var weights } && weights.Values.All(weight => weight == 0))
                yield return (path, "at least one weight must not be 0");
            if (step is PolicyStep.Min && !steer.Policy.Take(i).Any(other => other is PolicyStep.Up))
                yield return (path, "\"min\" stands after \"up\": it takes back what \"up\" drops");
            if (step is PolicyStep.Multi && steer.Answer == SteerAnswer.Cname)
                yield return (path, "\"multi\" gives several addresses; a name has one CNAME");
        }
    }

    private static IEnumerable<(string Path, string Message)> Pops(
        FleetSpec fleet, string at, IEnumerable<string> named)
    {
        foreach (string pop in named.Where(pop => fleet.Pop(pop) is null))
        {
            string path = at.EndsWith(".cname", StringComparison.Ordinal) ? $"{at}.{pop}" : at;
            yield return (path, $"unknown pop \"{pop}\"{NearestName.Hint(pop, fleet.Pops.Select(p => p.Name))}");
        }
    }
}
