using System.Diagnostics;
using System.Globalization;
using System.Text;
using Fairlead.Lab.Topologies;
using Fairlead.Tests.Dns;

namespace Fairlead.Bench.Dns;

/// <summary>A server under test: writes its files into a folder and starts with one UDP thread on core 1.</summary>
internal abstract record Contender(string Name, bool CanSteer)
{
    public static readonly Contender[] All = [new FairleadServer(), new Knot(), new Gdnsd(), new Nsd()];

    public string Version { get; protected set; } = "";

    /// <summary>Gives the process to measure. The namespace is "srv" of the bed.</summary>
    public Process Start(Bed bed, string folder)
    {
        Directory.CreateDirectory(folder);
        string[] command = Command(folder);
        return bed.Start("srv", Path.Combine(folder, "log"), "taskset", ["-c", "1", .. command]);
    }

    protected abstract string[] Command(string folder);

    protected static void Write(string folder, string file, string text) =>
        File.WriteAllText(Path.Combine(folder, file), text);

    protected static string Debian(string package) =>
        Lab.Command.Run("dpkg-query", "-W", "-f", "${Version}", package).Trim();
}

internal sealed record FairleadServer() : Contender("Fairlead", CanSteer: true)
{
    protected override string[] Command(string folder)
    {
        Version = typeof(Fairlead.Dns.Server.DnsServer).Assembly.GetName().Version!.ToString(3);
        return [Environment.ProcessPath!, "serve"];
    }
}

internal sealed record Knot() : Contender("Knot", CanSteer: true)
{
    protected override string[] Command(string folder)
    {
        Version = Debian("knot");
        Write(folder, "bench.zone", Workload.ZoneText(_ => $"A {Workload.AddressOf(0)}"));
        var places = Workload.ClientNetworks().Select(entry => (Workload.Text(entry.Network),
            new Fairlead.Dns.Steering.Place("EU", Workload.Countries[entry.Country], null, null)));
        File.WriteAllBytes(Path.Combine(folder, "geo.mmdb"), MmdbWriter.Write(places, 28, 6));
        var geo = new StringBuilder();
        for (int i = 0; i < Workload.Names; i += Workload.SteeredEvery)
        {
            geo.Append($"{Workload.NameOf(i)}.{Workload.Origin}.:\n");
            foreach ((int country, string code) in Workload.Countries.Index())
                geo.Append($"  - geo: {code}\n    A: {Workload.AddressOf(country)}\n");
        }

        Write(folder, "geo.conf", geo.ToString());
        Write(folder, "knot.conf", $"""
            server:
                rundir: {folder}
                listen: 0.0.0.0@53
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
                edns-client-subnet: on
            database:
                storage: {folder}
            log:
              - target: stderr
                any: warning
            mod-geoip:
              - id: geo
                config-file: {folder}/geo.conf
                ttl: {Workload.SteeredTtl}
                mode: geodb
                geodb-file: {folder}/geo.mmdb
                geodb-key: country/iso_code
            zone:
              - domain: {Workload.Origin}
                storage: {folder}
                file: bench.zone
                journal-content: none
                zonefile-load: whole
                semantic-checks: off
                module: mod-geoip/geo

            """);
        return ["knotd", "-c", $"{folder}/knot.conf"];
    }
}

internal sealed record Gdnsd() : Contender("gdnsd", CanSteer: true)
{
    protected override string[] Command(string folder)
    {
        Version = Debian("gdnsd");
        Directory.CreateDirectory($"{folder}/zones");
        Directory.CreateDirectory($"{folder}/geoip");
        Write($"{folder}/zones", Workload.Origin, Workload.ZoneText(_ => "DYNA geoip!all"));
        var networks = new StringBuilder();
        foreach ((uint network, int country) in Workload.ClientNetworks())
            networks.Append(
                CultureInfo.InvariantCulture, $"{Workload.Text(network)} => {Workload.Countries[country]}\n");
        Write($"{folder}/geoip", "nets", networks.ToString());
        string centers = string.Join(", ", Workload.Countries);
        string map = string.Concat(Workload.Countries.Index().Select(
            country => $"{country.Item} => {Workload.AddressOf(country.Index)}\n"));
        Write(folder, "config", $$"""
            options => {
              listen => 0.0.0.0
              udp_threads => 1
              tcp_threads => 1
              run_dir => {{folder}}/run
              state_dir => {{folder}}/state
            }
            plugins => {
              geoip => {
                maps => {
                  m => { datacenters => [{{centers}}], nets => nets }
                }
                resources => {
                  all => { map => m, service_types => up, dcmap => {
                    {{map}}
                  } }
                }
              }
            }
            """);
        Directory.CreateDirectory($"{folder}/run");
        Directory.CreateDirectory($"{folder}/state");
        return ["gdnsd", "-c", folder, "start"];
    }
}

internal sealed record Nsd() : Contender("NSD", CanSteer: false)
{
    protected override string[] Command(string folder)
    {
        Version = Debian("nsd");
        Write(folder, "bench.zone", Workload.ZoneText(_ => $"A {Workload.AddressOf(0)}"));
        Write(folder, "nsd.conf", $"""
            server:
                ip-address: 0.0.0.0
                server-count: 1
                rrl-ratelimit: 0
                rrl-whitelist-ratelimit: 0
                zonesdir: "{folder}"
                database: ""
                pidfile: "{folder}/nsd.pid"
                xfrdir: "{folder}"
                zonelistfile: "{folder}/zone.list"
                username: ""
            remote-control:
                control-enable: no
            zone:
                name: {Workload.Origin}
                zonefile: bench.zone

            """);
        return ["nsd", "-d", "-c", $"{folder}/nsd.conf"];
    }
}
