using System.Globalization;
using System.Text;
using Fairlead.Fleet;

namespace Fairlead.Api;

/// <summary>The Prometheus text format (version 0.0.4) of a node's status.</summary>
internal static class Metrics
{
    public static string Write(StatusView status, DateTimeOffset now)
    {
        var text = new StringBuilder();
        Family(text, "fairlead_build_info", "gauge", "The running version.");
        Sample(text, "fairlead_build_info", 1, ("version", status.Version));
        Family(text, "fairlead_memory_bytes", "gauge", "Memory of the process, and what of it is the managed heap.");
        Sample(text, "fairlead_memory_bytes", status.Memory.Resident, ("kind", "resident"));
        Sample(text, "fairlead_memory_bytes", status.Memory.Heap, ("kind", "heap"));
        Family(text, "fairlead_config_generation", "gauge", "The plan that is in force.");
        Sample(text, "fairlead_config_generation", status.Generation);
        Family(text, "fairlead_reload_refused", "gauge", "1 while the newest fleet file or zone is not taken.");
        Sample(text, "fairlead_reload_refused", status.ReloadRefused.IsDefaultOrEmpty ? 0 : 1);
        Family(text, "fairlead_store_connected", "gauge", "1 while the store's changes are followed.");
        Sample(text, "fairlead_store_connected", status.Store.Connected ? 1 : 0);
        if (status.Store.SilentSeconds is { } silent)
        {
            Family(
                text, "fairlead_store_last_sync_age_seconds", "gauge", "Since the last committed change came through.");
            Sample(text, "fairlead_store_last_sync_age_seconds", silent);
        }

        Family(text, "fairlead_pop_state", "gauge", "1 for the state that each pop is in.");
        foreach (PopPlan pop in status.Plan.Pops)
            Sample(text, "fairlead_pop_state", 1, ("pop", pop.Pop), ("state", pop.State.ToString()));
        Family(text, "fairlead_panic_active", "gauge",
            "1 while a service's verdict is held because every pool failed at once.");
        foreach (ServicePlan service in status.Plan.Services)
            Sample(text, "fairlead_panic_active", service.Held ? 1 : 0, ("service", service.Service));
        Family(text, "fairlead_health_state", "gauge", "1 while the check says up.");
        foreach (CheckView check in status.Checks)
            Sample(text, "fairlead_health_state", check.Up ? 1 : 0, ("check", check.Id));
        HealthMetrics.Write(text, status.Checks);
        Bgp(text, status);
        if (status.Rpki is { } rpki)
        {
            Family(text, "fairlead_rpki_payloads", "gauge", "Validated payloads that the RPKI cache has told.");
            Sample(text, "fairlead_rpki_payloads", rpki.Payloads);
            Family(text, "fairlead_rpki_invalid", "gauge", "Our aggregates that the RPKI denies to us.");
            Sample(text, "fairlead_rpki_invalid", rpki.Invalid.Length);
        }

        if (status.Balancer is { } balancer) BalancerMetrics.Write(text, balancer);
        if (status.Dns is { } dns) Dns(text, dns);
        if (status.Transfers is { } transfers) Transfers(text, transfers, now);
        return text.ToString();
    }

    private static void Transfers(StringBuilder text, TransfersView transfers, DateTimeOffset now)
    {
        Family(text, "fairlead_dns_transfers_given_total", "counter", "Transfers that others were let in for.");
        foreach ((string kind, long count) in transfers.Given)
            Sample(text, "fairlead_dns_transfers_given_total", count, ("kind", kind));
        Family(text, "fairlead_dns_transfers_refused_total", "counter", "Transfers and signed queries refused.");
        foreach ((string why, long count) in transfers.Refused)
            Sample(text, "fairlead_dns_transfers_refused_total", count, ("reason", why));
        Family(text, "fairlead_dns_notify_received_total", "counter", "NOTIFYs for our secondary zones.");
        foreach ((string fate, long count) in transfers.Notified)
            Sample(text, "fairlead_dns_notify_received_total", count, ("result", fate));
        Family(text, "fairlead_dns_notify_unheard", "gauge", "Zones and targets whose last NOTIFY was not answered.");
        Sample(text, "fairlead_dns_notify_unheard", transfers.Unheard);
        if (transfers.Secondaries.IsEmpty) return;
        Family(text, "fairlead_dns_secondary_taken_total", "counter", "Versions taken from primaries.");
        foreach (SecondaryView zone in transfers.Secondaries)
        {
            foreach ((string kind, int count) in ((string, int)[])
                [("axfr", zone.Taken - zone.TakenIncremental), ("ixfr", zone.TakenIncremental)])
                Sample(text, "fairlead_dns_secondary_taken_total", count, ("zone", zone.Zone), ("kind", kind));
        }

        Family(text, "fairlead_dns_secondary_serial", "gauge", "The serial that is served.");
        foreach (SecondaryView zone in transfers.Secondaries.Where(zone => zone.Serial is not null))
            Sample(text, "fairlead_dns_secondary_serial", zone.Serial!.Value, ("zone", zone.Zone));
        Family(text, "fairlead_dns_secondary_age_seconds", "gauge", "Since a primary said that it is the newest.");
        foreach (SecondaryView zone in transfers.Secondaries.Where(zone => zone.FreshAt is not null))
            Sample(text, "fairlead_dns_secondary_age_seconds", (now - zone.FreshAt!.Value).TotalSeconds,
                ("zone", zone.Zone));
        Family(text, "fairlead_dns_secondary_failing", "gauge", "1 while no primary gives an answer of use.");
        foreach (SecondaryView zone in transfers.Secondaries)
            Sample(text, "fairlead_dns_secondary_failing", zone.Problem is null ? 0 : 1, ("zone", zone.Zone));
        Family(text, "fairlead_dns_secondary_expired", "gauge", "1 while there is nothing to serve: SERVFAIL.");
        foreach (SecondaryView zone in transfers.Secondaries)
            Sample(text, "fairlead_dns_secondary_expired", zone.Expired ? 1 : 0, ("zone", zone.Zone));
    }

    private static void Dns(StringBuilder text, DnsView dns)
    {
        Family(text, "fairlead_dns_queries_total", "counter", "Queries received.");
        foreach ((string transport, long count) in dns.QueriesByTransport)
            Sample(text, "fairlead_dns_queries_total", count, ("transport", transport));
        Family(text, "fairlead_dns_queries_by_type_total", "counter", "Queries by the type that they ask for.");
        foreach ((string type, long count) in dns.QueriesByType)
            Sample(text, "fairlead_dns_queries_by_type_total", count, ("type", type));
        Family(text, "fairlead_dns_answers_total", "counter", "Answers by their code.");
        foreach ((string rcode, long count) in dns.AnswersByRcode)
            Sample(text, "fairlead_dns_answers_total", count, ("rcode", rcode));
        Family(text, "fairlead_dns_steered_total", "counter", "Steered answers by where they lead, and why.");
        foreach ((string label, long count) in dns.Steered)
        {
            string[] parts = label.Split(' ', 2);
            Sample(text, "fairlead_dns_steered_total", count, ("target", parts[0]), ("reason", parts[^1]));
        }

        Family(text, "fairlead_dns_events_total", "counter", "What befell queries and connections, by its own word.");
        foreach ((string name, long count) in dns.Events)
            Sample(text, "fairlead_dns_events_total", count, ("event", name));
        Family(text, "fairlead_dns_latency_seconds", "gauge", "From leaving the kernel's queue to being sent.");
        Sample(text, "fairlead_dns_latency_seconds", dns.MedianMicroseconds / 1e6, ("quantile", "0.5"));
        Sample(text, "fairlead_dns_latency_seconds", dns.P99Microseconds / 1e6, ("quantile", "0.99"));
        Family(text, "fairlead_dns_tap_dropped_total", "counter", "Answers that the dnstap collector did not take.");
        Sample(text, "fairlead_dns_tap_dropped_total", dns.TapDropped);
        Family(text, "fairlead_internal_errors_total", "counter", "Faults of ours that a query set off.");
        Sample(text, "fairlead_internal_errors_total", dns.Events["faults"], ("component", "dns"));
    }

    private static void Bgp(StringBuilder text, StatusView status)
    {
        Family(text, "fairlead_bgp_session_up", "gauge", "1 while the session is established.");
        foreach (PeerView peer in status.Peers)
            Sample(text, "fairlead_bgp_session_up", peer.State == "Established" ? 1 : 0, ("peer", peer.Name));
        Family(text, "fairlead_bgp_prefixes_announced", "gauge", "Prefixes the peer was told.");
        foreach (PeerView peer in status.Peers)
            Sample(text, "fairlead_bgp_prefixes_announced", peer.Announced, ("peer", peer.Name));
        Family(text, "fairlead_bfd_session_up", "gauge", "1 while BFD is up.");
        foreach (PeerView peer in status.Peers.Where(peer => peer.Bfd is not null))
            Sample(text, "fairlead_bfd_session_up", peer.Bfd == "Up" ? 1 : 0, ("peer", peer.Name));
        Family(text, "fairlead_bfd_worst_lateness_seconds", "gauge", "How far after its time BFD ran at worst.");
        Sample(text, "fairlead_bfd_worst_lateness_seconds", status.Bfd?.WorstLatenessSeconds ?? 0);
        Family(text, "fairlead_bfd_process_deaths_total", "counter", "How often the BFD process was started again.");
        Sample(text, "fairlead_bfd_process_deaths_total", status.Bfd?.Deaths ?? 0);
        Family(text, "fairlead_bgp_guard_rejections_total", "counter", "Announcements that the guard refused.");
        Sample(text, "fairlead_bgp_guard_rejections_total", status.GuardRefusals);
    }

    internal static void Family(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    internal static void Sample(
        StringBuilder text, string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        text.Append(name);
        for (int i = 0; i < labels.Length; i++)
        {
            string escaped = labels[i].Value.Replace("\\", "\\\\", StringComparison.Ordinal)
                .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(escaped).Append('"');
        }

        text.Append(labels.Length > 0 ? "} " : " ").Append(value.ToString("R", CultureInfo.InvariantCulture))
            .Append('\n');
    }
}
