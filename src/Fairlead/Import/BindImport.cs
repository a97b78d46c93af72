namespace Fairlead.Import;

/// <summary>
/// Reads a named.conf of BIND 9 with all that it includes as a fleet of one pop: its zones, whom they come from and go
/// to, and how the server listens. What has no counterpart is left and named.
/// </summary>
internal sealed class BindImport
{
    private readonly string file;
    private readonly BindBlock top;
    private readonly BindStatement? options;
    private readonly ImportedFleet fleet = new("imported");
    private readonly BindAcls acls;
    private readonly BindRemotes remotes;
    private readonly BindOptions server;
    private readonly BindZones zones;
    private readonly Dictionary<string, TextPlace> policies = new(StringComparer.Ordinal);

    private BindImport(string file)
    {
        this.file = file;
        top = BindConf.ReadFile(file);
        options = top.Find("options");
        if (options is { Block: null }) throw new ImportException(options.At, "expected a block: options { ... };");
        (acls, remotes) = (new BindAcls(fleet), new BindRemotes(fleet));
        BindBlock own = options?.Block ?? new BindBlock(new TextPlace(file, 1, 1), []);
        server = new BindOptions(own, Path.GetDirectoryName(Path.GetFullPath(file))!, acls, fleet);
        zones = new BindZones(own, server, acls, remotes, fleet);
    }

    /// <summary>ImportException when it is no named.conf, or has a fault.</summary>
    public static ImportedFleet Read(string file)
    {
        var import = new BindImport(file);
        import.Definitions();
        import.server.Take(file);
        import.Zones();
        import.zones.Finish(import.options?.At ?? new TextPlace(file, 1, 1));
        if (import.remotes.KeysText is { } keys) import.fleet.Dns.Insert(0, $"keys: {keys}");
        import.Rest(import.options?.Block);
        return import.fleet;
    }

    // What others name comes first: in named it may stand anywhere.
    private void Definitions()
    {
        foreach (BindStatement statement in top.Statements)
        {
            switch (statement.Key)
            {
                case "options":
                    if (statement != options)
                        throw new ImportException(statement.At, "a second options; named takes one");
                    break;
                case "acl": acls.Add(statement); break;
                case "key": remotes.AddKey(statement); break;
                case "primaries" or "masters" or "remote-servers": remotes.AddList(statement); break;
                case "server": remotes.AddServer(statement); break;
                case "tls": server.AddTls(statement); break;
                case "http": server.AddHttp(statement); break;
                case "dnssec-policy": policies[statement.Value ?? ""] = statement.At; break;
                case "view" or "zone": break;
                case "logging" or "controls" or "statistics-channels" or "trust-anchors" or "trusted-keys"
                    or "managed-keys" or "parental-agents" or "dlz" or "dyndb" or "plugin" or "key-store" or "template":
                    fleet.Leave(statement.At, $"{statement.Key} has no counterpart: {BindAdvice.For(statement.Key)}");
                    break;
                default:
                    throw new ImportException(statement.At,
                        $"expected a statement such as options, zone or view; found \"{statement.Key}\"");
            }
        }
    }

    private void Zones()
    {
        BindStatement[] views = [.. top.Statements.Where(statement => statement.Key == "view")];
        foreach (BindStatement view in views)
        {
            if (view.Value is null || view.Block is null)
                throw new ImportException(view.At, "expected a name and a block: view NAME { ... };");
        }

        foreach (BindStatement zone in top.Statements.Where(statement => statement.Key == "zone"))
        {
            if (views.Length > 0) throw new ImportException(zone.At, "with views, every zone stands in one");
            zones.Take(zone, null);
        }

        if (views.Length == 0) return;
        // The first that fits a client is his; whoever fits no other comes to the last that is for any.
        BindStatement general = views.FirstOrDefault(IsForAny) ?? views[^1];
        foreach (BindStatement view in views) Take(view, general);
    }

    private static bool IsForAny(BindStatement view) =>
        view.Block!.Find("match-clients") is not { } match || BindAcls.IsOnly(match.Block, "any");

    private void Take(BindStatement view, BindStatement general)
    {
        if (view != general)
        {
            fleet.Leave(view.At, $"the view {view.Value} is left out, {general.Value} is taken: of names that differ "
                + "by client make steered names, with a pop for each view, answer: backends, and a map (geo.maps: "
                + "networks, or countries for geoip)");
            foreach (BindStatement zone in view.Block!.Statements.Where(statement => statement.Key == "zone"))
            {
                bool isBoth = general.Block!.Statements.Any(other => other.Key == "zone" && other.Value == zone.Value);
                fleet.Leave(zone.At, isBoth
                    ? $"zone {zone.Value} of the view {view.Value}: that of {general.Value} is answered to everybody"
                    : $"zone {zone.Value} is seen in the view {view.Value} only; nobody must see it who should not: "
                        + "serve it by a server of its own");
            }

            return;
        }

        foreach (BindStatement statement in view.Block!.Statements)
        {
            switch (statement.Key)
            {
                case "zone": zones.Take(statement, view.Block); break;
                case "key": remotes.AddKey(statement); break;
                case "server": remotes.AddServer(statement); break;
                case "match-clients" when IsForAny(view): break;
                case "match-clients" or "match-destinations" or "match-recursive-only":
                    fleet.Leave(statement.At, $"{statement}: the view {view.Value} is answered to everybody");
                    break;
            }
        }

        Rest(view.Block);
    }

    // What nobody took, with what to do instead.
    private void Rest(BindBlock? block)
    {
        foreach (BindStatement one in block?.Statements ?? [])
        {
            if (one.Key is "zone" or "key" or "server" or "match-clients" or "match-destinations"
                or "match-recursive-only" || BindOptions.IsTaken(one) || BindZones.IsTaken(one)) continue;
            fleet.Leave(one.At, $"{one} has no counterpart: {BindAdvice.For(one.Key)}");
        }
    }
}
